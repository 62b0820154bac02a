#include <ATen/ATen.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <tuple>

#include "tessera/ops/cuda/grid_linear_cuda.h"
#include "tessera/ops/dispatch.h"
#include "tessera/ops/grid_linear_args.h"

namespace tessera::ops {

namespace {

/// The pass, with the contiguous tensors that its pointers lead to.
template <class T>
struct Pass : cuda::GridPass<T> {
  explicit Pass(const GridLinearArgs& args)
      : x_t(args.x.contiguous()),
        weight_t(args.weight.contiguous()),
        bias_t(args.bias.defined() ? args.bias.contiguous() : args.bias),
        index_t(args.n.index.contiguous()),
        n_t(args.n.weight.contiguous()) {
    this->rows = x_t.size(0);
    this->active = index_t.size(1);
    this->in = x_t.size(1);
    this->out = weight_t.size(1);
    this->nodes = weight_t.size(0);
    this->x = x_t.template const_data_ptr<T>();
    this->weight = weight_t.template const_data_ptr<T>();
    this->bias = bias_t.defined() ? bias_t.template const_data_ptr<T>() : nullptr;
    this->index = index_t.const_data_ptr<int64_t>();
    this->n = n_t.template const_data_ptr<T>();
  }
  at::Tensor x_t, weight_t, bias_t, index_t, n_t;
};

template <class T>
T* pointer(const at::Tensor& t) {
  return t.defined() ? t.mutable_data_ptr<T>() : nullptr;
}

bool fits(const GridLinearArgs& args) {
  return has_fused_dtype(args.x) && args.n.index.size(1) > 0;
}

template <class T>
at::Tensor forward(const GridLinearArgs& args) {
  const c10::cuda::CUDAGuard guard(args.x.device());
  const Pass<T> p(args);
  const at::Tensor y = at::empty({p.rows, p.out}, p.x_t.options());
  const at::Tensor order = p.index_t.select(1, 0).argsort(/*stable=*/true, /*dim=*/0);
  C10_CUDA_CHECK(cuda::grid_linear<T>(p, order.const_data_ptr<int64_t>(), pointer<T>(y),
                                      c10::cuda::getCurrentCUDAStream()));
  return y;
}

template <class T>
GridLinearTensors backward(const at::Tensor& given, const GridLinearArgs& args,
                           const GridLinearNeeds& needs) {
  const c10::cuda::CUDAGuard guard(args.x.device());
  const Pass<T> p(args);
  const at::Tensor d_y = given.contiguous();
  const T* const d = d_y.const_data_ptr<T>();
  GridLinearTensors result;
  if (needs[kGridX]) result[kGridX] = at::empty_like(p.x_t);
  if (needs[kGridNode]) result[kGridNode] = at::empty_like(p.n_t);
  if (needs[kGridX] || needs[kGridNode]) {
    C10_CUDA_CHECK(cuda::grid_linear_backward_x<T>(p, d, pointer<T>(result[kGridX]),
                                                   pointer<T>(result[kGridNode]),
                                                   c10::cuda::getCurrentCUDAStream()));
  }
  if (needs[kGridWeight]) result[kGridWeight] = at::empty_like(p.weight_t);
  if (needs[kGridBias]) result[kGridBias] = at::empty({p.nodes, p.out}, p.x_t.options());
  if (needs[kGridWeight] || needs[kGridBias]) {
    const auto places = p.index_t.flatten().sort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
    const at::Tensor &sorted = std::get<0>(places), &uses = std::get<1>(places);
    const at::Tensor begin =
        at::searchsorted(sorted, at::arange(p.nodes + 1, sorted.options())).contiguous();
    C10_CUDA_CHECK(cuda::grid_linear_backward_weight<T>(
        p, begin.const_data_ptr<int64_t>(), uses.const_data_ptr<int64_t>(), d,
        pointer<T>(result[kGridWeight]), pointer<T>(result[kGridBias]),
        c10::cuda::getCurrentCUDAStream()));
  }
  return result;
}

at::Tensor run(const GridLinearArgs& args) {
  return args.x.scalar_type() == at::kDouble ? forward<double>(args) : forward<float>(args);
}

GridLinearTensors run_backward(const at::Tensor& d_y, const GridLinearArgs& args,
                               const GridLinearNeeds& needs) {
  return args.x.scalar_type() == at::kDouble ? backward<double>(d_y, args, needs)
                                             : backward<float>(d_y, args, needs);
}

const GridLinearDevice device{fits, run, run_backward};

const bool registered = [] {
  grid_linear_cuda() = &device;
  return true;
}();

}  // namespace

}  // namespace tessera::ops
