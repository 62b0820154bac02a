#include "tessera/cases/compare.h"

#include <ATen/ATen.h>

#include <limits>

namespace tessera::cases {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Numbers of any type as doubles, or as int64 where a double would round them.
at::Tensor widened(const at::Tensor& tensor) {
  return tensor.detach().to(at::kCPU, tensor.is_floating_point() ? at::kDouble : at::kLong);
}

/// The largest of a tensor without NaN; 0 of an empty one.
double largest(const at::Tensor& values) {
  return values.numel() == 0 ? 0.0 : values.max().item<double>();
}

/// numerator / denominator where 0/0 is 0: no error needs no tolerance.
at::Tensor ratio(const at::Tensor& numerator, const at::Tensor& denominator) {
  return at::where(numerator == 0, at::zeros_like(numerator), numerator / denominator);
}

}  // namespace

Comparison compare(const std::string& name, const at::Tensor& ours, const at::Tensor& recorded,
                   double rtol, double atol) {
  Comparison result{.name = name, .max_abs = kInfinity, .max_rel = kInfinity, .used = kInfinity};
  if (!ours.defined()) {
    result.reason = "missing";
  } else if (ours.sizes() != recorded.sizes()) {
    result.reason = "shape " + c10::str(ours.sizes()) + " instead of " + c10::str(recorded.sizes());
  } else if (ours.scalar_type() != recorded.scalar_type()) {
    result.reason =
        "dtype " + c10::str(ours.scalar_type()) + " instead of " + c10::str(recorded.scalar_type());
  }
  if (!result.reason.empty()) return result;

  const at::Tensor a = widened(ours), b = widened(recorded);
  // A difference of NaNs or infinities is NaN: they are equal, or infinitely far apart.
  const at::Tensor is_same = (a == b) | (a.isnan() & b.isnan());
  at::Tensor error = (a - b).to(at::kDouble).abs();
  error = at::where(is_same, at::zeros_like(error), error.nan_to_num(kInfinity, kInfinity));
  const at::Tensor size = b.to(at::kDouble).abs().nan_to_num(0, 0);

  result.max_abs = largest(error);
  result.max_rel = largest(ratio(error, size));
  result.used = largest(ratio(error, atol + rtol * size));
  result.holds = result.used <= 1;
  return result;
}

std::vector<Comparison> compare(const TensorMap& ours, const TensorMap& recorded, double rtol,
                                double atol) {
  std::vector<Comparison> results;
  for (const auto& [name, tensor] : recorded) {
    results.push_back(compare(name, ours.get(name), tensor, rtol, atol));
  }
  return results;
}

}  // namespace tessera::cases
