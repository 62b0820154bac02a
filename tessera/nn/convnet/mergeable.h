#pragma once

#include "tessera/nn/convnet/methods.h"

namespace tessera::nn {

/// A model that is, in evaluation, a plain convolutional network, or one in another form: what
/// `tessera zoo merge` writes down and `tessera snn convert` makes spike.
class Mergeable {
 public:
  virtual ~Mergeable() = default;
  /// The plain network with its weights, computing what the model does. Throws InvalidArgument
  /// where the model's present state is no plain network, saying why.
  virtual WeightedNetwork merged() const = 0;
};

}  // namespace tessera::nn
