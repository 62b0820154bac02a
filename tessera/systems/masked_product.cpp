#include "tessera/systems/masked_product.h"

#include <ATen/ATen.h>

#include <utility>

namespace tessera {
namespace {

at::Tensor product(const at::Tensor& a, const at::Tensor& b) {
  if (!a.defined()) return b;
  return b.defined() ? a * b : a;
}

void add_gradient(const at::Tensor& of, const at::Tensor& gradient) {
  at::Tensor& sum = of.mutable_grad();
  sum = sum.defined() ? sum + gradient : gradient;
}

}  // namespace

MaskedProduct::MaskedProduct(at::Tensor weight, at::Tensor mask, at::Tensor fixed, at::Tensor value)
    : weight_(std::move(weight)),
      mask_(std::move(mask)),
      fixed_(std::move(fixed)),
      value_(std::move(value)) {}

MaskedProduct::Seen MaskedProduct::seen(const at::Tensor& tensor) {
  if (!tensor.defined()) return {};
  return {tensor.const_data_ptr(), tensor._version()};
}

void MaskedProduct::take(double l1) {
  is_taken_ = true;
  l1_ = l1;
}

at::Tensor MaskedProduct::composed() const { return product(product(weight_, mask_), fixed_); }

const at::Tensor& MaskedProduct::value() {
  const bool is_trained = trains_mask() || (weight_.defined() && weight_.requires_grad());
  const bool is_moved = value_.defined() && (value_.scalar_type() != mask_.scalar_type() ||
                                             value_.device() != mask_.device());
  if (value_.defined() && !is_moved && value_of_ == factors()) {
    return value_.requires_grad_(is_trained);
  }
  const at::NoGradGuard no_grad;
  const at::Tensor now = composed();
  if (!value_.defined()) {
    value_ = now.is_alias_of(mask_) ? now.clone() : now;
  } else if (is_moved) {
    value_.set_data(now.is_alias_of(mask_) ? now.clone() : now);  // the leaf stays the same one
  } else {
    value_.copy_(now);
  }
  value_of_ = factors();
  return value_.requires_grad_(is_trained);
}

const at::Tensor& MaskedProduct::constant() {
  if (trains_mask()) return fixed_;
  const std::vector<Seen> now = {seen(mask_), seen(fixed_)};
  if (frozen_of_ != now) {
    const at::NoGradGuard no_grad;
    frozen_ = product(mask_.detach(), fixed_);
    frozen_of_ = now;
  }
  return frozen_;
}

void MaskedProduct::pass_on() {
  const at::NoGradGuard no_grad;
  const at::Tensor d = gradient();
  if (d.defined() && weight_.defined() && weight_.requires_grad()) {
    add_gradient(weight_, product(d, product(mask_, fixed_)));
  }
  if (trains_mask()) {
    if (d.defined()) add_gradient(mask_, product(product(d, fixed_), weight_));
    if (l1_ != 0) add_gradient(mask_, l1_ * mask_.sign());
  }
  drop_gradient();
}

void MaskedProduct::drop_gradient() {
  if (value_.defined()) value_.mutable_grad().reset();
}

void MaskedProduct::set_current(bool is_current) {
  value_of_ = is_current ? factors() : std::vector<Seen>{};
  if (!is_current) frozen_of_.clear();
}

}  // namespace tessera
