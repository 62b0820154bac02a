#pragma once

#include <ATen/ATen.h>

/// For tests alone.
namespace tessera::testing {

/// ∂loss/∂values by central differences. values: double, contiguous; changed and restored.
/// loss(): a double, computed with `values`.   returns a tensor of their shape
template <class Loss>
at::Tensor central_differences(const at::Tensor& values, const Loss& loss) {
  constexpr double kStep = 1e-6;
  const at::NoGradGuard no_grad;
  const at::Tensor slopes = at::empty_like(values);
  double* const x = values.mutable_data_ptr<double>();
  double* const slope = slopes.mutable_data_ptr<double>();
  for (int64_t k = 0; k < values.numel(); ++k) {
    const double kept = x[k];
    x[k] = kept + kStep;
    const double up = loss();
    x[k] = kept - kStep;
    const double down = loss();
    x[k] = kept;
    slope[k] = (up - down) / (2 * kStep);
  }
  return slopes;
}

}  // namespace tessera::testing
