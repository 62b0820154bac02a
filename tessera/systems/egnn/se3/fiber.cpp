#include "tessera/systems/egnn/se3/fiber.h"

#include <ATen/ATen.h>

namespace tessera::egnn::se3 {

at::Tensor pack(const Features& features) {
  std::vector<at::Tensor> flat;
  for (const at::Tensor& f : features) flat.push_back(f.flatten(1));
  return at::cat(flat, 1);
}

Features unpack(const at::Tensor& packed, const Fiber& fiber) {
  Features features;
  int64_t start = 0;
  for (const FiberPart& part : fiber) {
    const int64_t width = (2 * part.degree + 1) * part.channels;
    features.push_back(
        packed.narrow(1, start, width).unflatten(1, {2 * part.degree + 1, part.channels}));
    start += width;
  }
  return features;
}

}  // namespace tessera::egnn::se3
