#include <ATen/ATen.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "tessera/ops/cuda/unicornn_recurrence_cuda.h"
#include "tessera/ops/dispatch.h"
#include "tessera/ops/unicornn_recurrence_args.h"

namespace tessera::ops {

namespace {

using at::Tensor;

bool fits(const UnicornnArgs& args) { return has_fused_dtype(args.q); }

/// A copy that the kernels may move, zero where there is none.
Tensor movable(const Tensor& given, const Tensor& like) {
  if (!given.defined()) return at::zeros_like(like, at::MemoryFormat::Contiguous);
  return given.clone(at::MemoryFormat::Contiguous);
}

template <class T>
T* pointer(const Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<T>() : nullptr;
}

/// The problem, with the contiguous tensors its pointers lead to.
template <class T>
struct Problem : cuda::UnicornnProblem<T> {
  explicit Problem(const UnicornnArgs& args)
      : cuda::UnicornnProblem<T>{},
        q_TBH(args.q.contiguous()),
        w_H(args.oscillators.w.contiguous()),
        mask_BH(args.mask.defined() ? args.mask.contiguous() : args.mask) {
    const Tensor sigmoid = at::sigmoid(args.oscillators.c.to(at::kDouble)) * args.oscillators.dt;
    s_H = sigmoid.to(q_TBH.scalar_type()).contiguous();
    this->steps = q_TBH.size(0);
    this->chains = q_TBH.size(1) * q_TBH.size(2);
    this->width = q_TBH.size(2);
    this->alpha = static_cast<T>(args.oscillators.alpha);
    this->q = q_TBH.template const_data_ptr<T>();
    this->w = w_H.template const_data_ptr<T>();
    this->s = s_H.template const_data_ptr<T>();
    this->mask = pointer<T>(mask_BH);
  }

  Tensor q_TBH, w_H, s_H, mask_BH;
};

template <class T>
UnicornnResult forward(const UnicornnArgs& args) {
  const c10::cuda::CUDAGuard guard(args.q.device());
  const Problem<T> p(args);
  const Tensor y = movable(args.start.y, p.q_TBH[0]), z = movable(args.start.z, p.q_TBH[0]);
  const Tensor all = args.sequence ? at::empty_like(p.q_TBH)
                                   : p.q_TBH.new_empty({0, args.q.size(1), args.q.size(2)});
  C10_CUDA_CHECK(cuda::unicornn_forward<T>(
      p, {pointer<T>(y), pointer<T>(z), args.sequence ? pointer<T>(all) : nullptr},
      c10::cuda::getCurrentCUDAStream()));
  return {.y = all, .state = {y, z}};
}

template <class T>
UnicornnTensors backward(const UnicornnCotangents& given, const UnicornnState& end,
                         const UnicornnArgs& args, const UnicornnNeeds& needs) {
  const c10::cuda::CUDAGuard guard(args.q.device());
  const Problem<T> p(args);
  const Tensor like = p.q_TBH[0];
  const Tensor g = args.sequence && given.y.defined() ? given.y.contiguous() : Tensor();
  const Tensor y = movable(end.y, like), z = movable(end.z, like);
  const Tensor d_y = movable(given.y_n, like), d_z = movable(given.z_n, like);
  const Tensor d_q = at::empty_like(p.q_TBH);
  const Tensor sums = at::zeros({3, args.q.size(1), args.q.size(2)}, args.q.options());
  C10_CUDA_CHECK(
      cuda::unicornn_backward<T>(p,
                                 {.g = pointer<T>(g),
                                  .y = pointer<T>(y),
                                  .z = pointer<T>(z),
                                  .d_y = pointer<T>(d_y),
                                  .d_z = pointer<T>(d_z),
                                  .d_q = pointer<T>(d_q),
                                  .sum_w = pointer<T>(sums[0]),
                                  .sum_c = pointer<T>(sums[1]),
                                  .sum_mask = needs[kMask] ? pointer<T>(sums[2]) : nullptr},
                                 c10::cuda::getCurrentCUDAStream()));
  UnicornnTensors d;
  if (needs[kDrive]) d[kDrive] = d_q;
  if (needs[kW]) d[kW] = sums[0].sum(0);
  if (needs[kC]) {
    const Tensor sigmoid = at::sigmoid(args.oscillators.c.to(at::kDouble));
    const Tensor slope = sigmoid * (1 - sigmoid) * args.oscillators.dt;
    d[kC] = (sums[1].sum(0).to(at::kDouble) * slope).to(args.q.scalar_type());
  }
  if (needs[kY0]) d[kY0] = d_y;
  if (needs[kZ0]) d[kZ0] = d_z;
  if (needs[kMask]) d[kMask] = sums[2].clone();
  return d;
}

UnicornnResult forward_any(const UnicornnArgs& args) {
  return args.q.scalar_type() == at::kDouble ? forward<double>(args) : forward<float>(args);
}

UnicornnTensors backward_any(const UnicornnCotangents& d, const UnicornnState& end,
                             const UnicornnArgs& args, const UnicornnNeeds& needs) {
  return args.q.scalar_type() == at::kDouble ? backward<double>(d, end, args, needs)
                                             : backward<float>(d, end, args, needs);
}

const UnicornnDevice kDevice{.fits = fits, .forward = forward_any, .backward = backward_any};
[[maybe_unused]] const bool kRegistered = (unicornn_cuda() = &kDevice, true);

}  // namespace

}  // namespace tessera::ops
