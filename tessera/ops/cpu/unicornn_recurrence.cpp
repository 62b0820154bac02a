#include <ATen/ATen.h>

#include "tessera/ops/cpu/unicornn_layer.h"
#include "tessera/ops/unicornn_recurrence_args.h"

namespace tessera::ops {

namespace {

/// A copy that the kernels may move, zero where there is none.
at::Tensor movable(const at::Tensor& given, const at::Tensor& like) {
  if (!given.defined()) return at::zeros_like(like, at::MemoryFormat::Contiguous);
  return given.clone(at::MemoryFormat::Contiguous);
}

template <class T>
T* pointer(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<T>() : nullptr;
}

template <class T>
UnicornnResult forward(const UnicornnArgs& args) {
  const at::Tensor q = args.q.contiguous();
  const at::Tensor mask = args.mask.defined() ? args.mask.contiguous() : args.mask;
  const at::Tensor y = movable(args.start.y, q[0]), z = movable(args.start.z, q[0]);
  const at::Tensor all = args.sequence ? at::empty_like(q) : q.new_empty({0, q.size(1), q.size(2)});
  UnicornnLayer<T>(args.oscillators, q.size(1))
      .forward({.steps = q.size(0),
                .q = q.const_data_ptr<T>(),
                .mask = pointer<T>(mask),
                .y = pointer<T>(y),
                .z = pointer<T>(z),
                .y_out = args.sequence ? pointer<T>(all) : nullptr});
  return {.y = all, .state = {y, z}};
}

template <class T>
UnicornnTensors backward(const UnicornnCotangents& given, const UnicornnState& end,
                         const UnicornnArgs& args, const UnicornnNeeds& needs) {
  const at::Tensor q = args.q.contiguous();
  const at::Tensor mask = args.mask.defined() ? args.mask.contiguous() : args.mask;
  const bool has_g = args.sequence && given.y.defined();
  const at::Tensor g = has_g ? given.y.contiguous() : at::Tensor();
  const at::Tensor y = movable(end.y, q[0]), z = movable(end.z, q[0]);
  const at::Tensor d_y = movable(given.y_n, q[0]), d_z = movable(given.z_n, q[0]);
  const at::Tensor d_q = at::empty_like(q);
  const at::Tensor sums = at::zeros({4, q.size(1), q.size(2)}, q.options());
  const UnicornnLayer<T> layer(args.oscillators, q.size(1));
  layer.backward({.steps = q.size(0),
                  .q = q.const_data_ptr<T>(),
                  .mask = pointer<T>(mask),
                  .g = pointer<T>(g),
                  .y = pointer<T>(y),
                  .z = pointer<T>(z),
                  .d_y = pointer<T>(d_y),
                  .d_z = pointer<T>(d_z),
                  .y_out = nullptr,
                  .d_q = pointer<T>(d_q),
                  .sum_w = pointer<T>(sums[0]),
                  .sum_c = pointer<T>(sums[1]),
                  .sum_q = pointer<T>(sums[2]),
                  .sum_mask = needs[kMask] ? pointer<T>(sums[3]) : nullptr});
  UnicornnTensors d;
  if (needs[kDrive]) d[kDrive] = d_q;
  // Over the batch in the order of the samples: at::sum of a plane's columns.
  if (needs[kW]) d[kW] = sums[0].sum(0);
  if (needs[kC]) d[kC] = (sums[1].sum(0).to(at::kDouble) * layer.step_slope()).to(q.scalar_type());
  if (needs[kY0]) d[kY0] = d_y;
  if (needs[kZ0]) d[kZ0] = d_z;
  if (needs[kMask]) d[kMask] = sums[3].clone();
  return d;
}

}  // namespace

UnicornnResult unicornn_cpu(const UnicornnArgs& args) {
  return args.q.scalar_type() == at::kDouble ? forward<double>(args) : forward<float>(args);
}

UnicornnTensors unicornn_backward_cpu(const UnicornnCotangents& d, const UnicornnState& end,
                                      const UnicornnArgs& args, const UnicornnNeeds& needs) {
  return args.q.scalar_type() == at::kDouble ? backward<double>(d, end, args, needs)
                                             : backward<float>(d, end, args, needs);
}

}  // namespace tessera::ops
