#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace tessera::egnn::se3 {

/// `channels` features of one degree l; each has 2l+1 components, which turn with the Wigner matrix
/// of that degree.
struct FiberPart {
  int64_t degree = 0;
  int64_t channels = 0;
};

/// The types of a layer's input or output, by ascending degree.
using Fiber = std::vector<FiberPart>;

/// Features of a fiber, part by part: (rows, 2·degree+1, channels). Channels last, so that every
/// product over channels is a plain matrix product of contiguous blocks.
using Features = std::vector<at::Tensor>;

/// Degrees 0 … num_degrees−1 with equal channels.
inline Fiber uniform_fiber(int64_t num_degrees, int64_t channels) {
  Fiber fiber;
  for (int64_t degree = 0; degree < num_degrees; ++degree) fiber.push_back({degree, channels});
  return fiber;
}

/// (rows, Σ (2·degree+1)·channels): all parts of each row side by side, so that one gather moves
/// them.
at::Tensor pack(const Features& features);
Features unpack(const at::Tensor& packed, const Fiber& fiber);

inline const FiberPart* find_degree(const Fiber& fiber, int64_t degree) {
  for (const FiberPart& part : fiber) {
    if (part.degree == degree) return &part;
  }
  return nullptr;
}

}  // namespace tessera::egnn::se3
