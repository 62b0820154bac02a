#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

namespace tessera::ops {

/// What every operator of ours does under autocast, on every device: it runs in float32.
///   - tensors of half precision are cast to float32, lists of tensors too; others stay as they are
///     (double stays double, and an operator that wants one dtype still says so);
///   - autocast is off inside, so that a plain twin computes what the fused kernel does;
///   - results are float32, and gradients come back in the dtype that was given;
///   - an operator that writes to its arguments takes them as they are.
/// Recurrences, degrees and sums over neighbours lose in half precision what their kernels gain.
void autocast_to_float32(const c10::OperatorHandle& op, torch::jit::Stack* stack);

/// Whether autocast is on where this tensor lies.
bool is_autocast(const at::Tensor& tensor);

/// For functions that are fused but not registered: the tensor, in float32 where it is of half
/// precision.
at::Tensor widened(const at::Tensor& tensor);

/// Autocast is off on every device while one lives.
struct NoAutocast {
  c10::impl::ExcludeDispatchKeyGuard guard{c10::autocast_dispatch_keyset};
};

}  // namespace tessera::ops
