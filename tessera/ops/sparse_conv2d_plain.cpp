#include <ATen/ATen.h>

#include <array>

#include "tessera/ops/sparse_conv2d.h"

namespace tessera::ops {

at::Tensor pack_sparse_kernel(const at::Tensor& weight) {
  for (const int64_t block : {64, 32, 16}) {
    if (weight.size(0) % block != 0) continue;
    return weight.unflatten(0, {-1, block}).permute({0, 3, 4, 2, 1}).contiguous();
  }
  return {};
}

at::Tensor sparse_conv2d_plain(const at::Tensor& x, const at::Tensor& packed,
                               const at::Tensor& bias, int64_t stride, int64_t padding) {
  const at::Tensor weight = packed.permute({0, 4, 3, 1, 2}).flatten(0, 1);
  return at::conv2d(x.to(weight.scalar_type()), weight, bias, std::array{stride, stride},
                    std::array{padding, padding})
      .contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace tessera::ops
