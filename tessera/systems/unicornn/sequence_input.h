#pragma once

#include <cstdint>
#include <optional>

#include "tessera/core/tensor_map.h"

namespace tessera::unicornn {

/// What a network expects of its sequence `x`.
struct SequenceExpectation {
  int64_t width = 1;                  ///< of floating x
  std::optional<int64_t> vocab_size;  ///< x holds tokens
  bool batch_first = true;
  std::optional<int64_t> max_len;
  at::Tensor like;  ///< a parameter: floating inputs have its dtype and device
};

/// The one check of what comes in: x (T, B, width) or (T, B) int64, time-major, a view.
/// Throws InvalidArgument: missing, wrong shape, dtype or device, no step or sample, a token
/// outside the vocabulary.
at::Tensor read_sequence(const TensorMap& inputs, const SequenceExpectation& expected);

/// The input `name` of exactly these sizes, or undefined where it is absent.
at::Tensor read_optional(const TensorMap& inputs, const char* name, at::IntArrayRef sizes,
                         const at::Tensor& like);

}  // namespace tessera::unicornn
