#pragma once

#include "tessera/ops/sparse_conv2d.h"

// Between the files of the operator `sparse_conv2d`; not for callers.

namespace tessera::ops {

/// x is dense and channels last, packed contiguous, bias (O).
at::Tensor sparse_conv2d_cpu(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias,
                             int64_t stride, int64_t padding);

}  // namespace tessera::ops
