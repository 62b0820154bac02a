#pragma once

#include <span>
#include <string>

#include "tessera/core/tensor_map.h"
#include "tessera/systems/model.h"

// What only some tasks can do. A task derives from these beside Task; who needs it asks by
// dynamic_cast.

namespace tessera {

/// A task that has weights for a model to begin with: word vectors of its vocabulary.
class InitialWeights {
 public:
  virtual ~InitialWeights() = default;
  /// Under the ends of parameters' names: "embedding.weight" is also "baseline.embedding.weight".
  /// A value with fewer rows than the parameter takes its first rows; empty: none.
  virtual TensorMap initial_weights() const = 0;
};

/// Puts them in place. Throws InvalidArgument on a name that no parameter ends with, or another
/// shape.
void begin_with(Model& model, const TensorMap& initial_weights);

/// A task whose examples are text: what `predict` needs for a text file.
class TextInput {
 public:
  virtual ~TextInput() = default;
  /// The inputs of one batch, an example a line.
  virtual TensorMap inputs_of(std::span<const std::string> lines) const = 0;
};

}  // namespace tessera
