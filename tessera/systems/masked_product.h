#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

// What a model that trains masks beside its weights offers to whoever updates its parameters. A
// model derives from TrainsMasks beside Model; the optimizer asks by dynamic_cast.

namespace tessera {

/// A tensor that a model computes with, w ⊙ m ⊙ f: a trained weight under a mask and a fixed mask.
/// Its value is kept as a leaf, so that an update needs the gradient by one tensor alone and can
/// do the rest in one pass (ops/sparsity_adam.h).
class MaskedProduct {
 public:
  /// weight: undefined where it is one (a mask of edges). mask: trained while it requires a
  /// gradient. fixed: undefined where it is one. `value` is the leaf; undefined: one is made.
  MaskedProduct(at::Tensor weight, at::Tensor mask, at::Tensor fixed, at::Tensor value = {});

  const at::Tensor& weight() const { return weight_; }
  const at::Tensor& mask() const { return mask_; }
  bool trains_mask() const { return mask_.requires_grad(); }
  /// w ⊙ m ⊙ f for a forward: differentiable in its factors, or value() once it is taken.
  at::Tensor read() { return is_taken_ ? value() : composed(); }
  /// For whoever updates the factors: from now on forwards read the value. Of the penalty l1·Σ|m|,
  /// l1·sign(m) belongs to the gradient by m.
  void take(double l1);
  double l1() const { return l1_; }

  /// The product as a leaf; computed anew where a factor has changed.
  const at::Tensor& value();
  at::Tensor gradient() const { return value_.defined() ? value_.grad() : at::Tensor(); }

  /// What the value is of its trained factor: f where masks are trained, m ⊙ f where they are
  /// frozen. Undefined: one.
  const at::Tensor& constant();

  /// Passes the gradient on to the factors: d ⊙ m ⊙ f to the weight; d ⊙ f ⊙ w and the penalty to
  /// a mask that is trained. Without a gradient a penalty is passed on alone.
  void pass_on();
  void drop_gradient();

  /// For those who change factors beside ATen's operators: whether the value was changed with them.
  void set_current(bool is_current);

 private:
  /// A tensor's memory and how often it was written to.
  struct Seen {
    const void* data = nullptr;
    int64_t version = 0;
    bool operator==(const Seen&) const = default;
  };
  static Seen seen(const at::Tensor& tensor);
  at::Tensor composed() const;
  std::vector<Seen> factors() const { return {seen(weight_), seen(mask_), seen(fixed_)}; }

  at::Tensor weight_, mask_, fixed_, value_, frozen_;
  std::vector<Seen> value_of_, frozen_of_;
  bool is_taken_ = false;
  double l1_ = 0;
};

using MaskedProducts = std::vector<std::shared_ptr<MaskedProduct>>;

class TrainsMasks {
 public:
  virtual ~TrainsMasks() = default;
  /// The products that forwards read, one for each tensor with a mask. Whoever calls this owes
  /// gradients and penalties from then on: a backward reaches the values, not their factors, and
  /// the model's own penalty is gone from its outputs.
  virtual const MaskedProducts& take_products() = 0;
};

}  // namespace tessera
