#pragma once

#include "tessera/core/json.h"
#include "tessera/core/tensor_map.h"

namespace tessera {

/// A configuration some of whose keys can be read off tensors. A golden case names the arguments of
/// the authors' class, which is not always all that a network follows from.
class ToldByTensors {
 public:
  virtual ~ToldByTensors() = default;
  /// Keys that `given` lacks, by the inputs and weights (under the authors' names) beside it.
  virtual Json told(const Json& given, const TensorMap& inputs, const TensorMap& weights) const = 0;
};

}  // namespace tessera
