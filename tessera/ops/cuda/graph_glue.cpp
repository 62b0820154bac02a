#include <ATen/ATen.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "tessera/ops/cuda/graph_cuda.h"
#include "tessera/ops/edge_softmax_args.h"
#include "tessera/ops/masked_propagate_args.h"
#include "tessera/ops/sparse_linear_passes.h"
#include "tessera/ops/sparsity_adam_pass.h"

namespace tessera::ops {

namespace {

using at::Tensor;

const int64_t* indices_of(const Tensor& list) { return list.const_data_ptr<int64_t>(); }

template <class T>
void launch(const Gather<T>& g, int64_t rows) {
  C10_CUDA_CHECK(cuda::gather<T>(g, rows, c10::cuda::getCurrentCUDAStream()));
}

/// Σ_k coefficient[k] · value[index[k]] over the entries of every row, from `start`: at::index_add
/// has no fixed order on this device.
template <class T>
Tensor row_sums(const Tensor& ptr, const Tensor& index, const Tensor& coefficient,
                const Tensor& value, const Tensor& start) {
  const Tensor one = at::ones_like(start), out = at::empty_like(start);
  launch<T>({.width = 1,
             .ptr = indices_of(ptr),
             .index = indices_of(index),
             .coefficient = coefficient.const_data_ptr<T>(),
             .from = value.const_data_ptr<T>(),
             .self_scale = one.const_data_ptr<T>(),
             .self = start.const_data_ptr<T>(),
             .out = out.mutable_data_ptr<T>()},
            start.numel());
  return out;
}

// ---- masked_propagate ---------------------------------------------------------------------------

template <class T>
PropagateKept propagate(const PropagateArgs& args) {
  const c10::cuda::CUDAGuard guard(args.h.device());
  const EdgeList& edges = args.edges;
  const Tensor h = args.h.contiguous();
  const Tensor m = args.mask.reshape({-1}).index_select(0, edges.order);
  const Tensor degree = row_sums<T>(edges.sender_ptr, edges.sender_order, at::ones_like(m), m,
                                    at::ones({edges.num_nodes}, h.options()));
  // A negative degree gives NaN here: reading it back would stop the stream.
  const Tensor s = at::where(degree == 0, at::zeros_like(degree), degree.rsqrt());
  const Tensor coefficient = m * s.index_select(0, edges.col);
  const Tensor out = at::empty_like(h);
  launch<T>({.width = h.size(1),
             .ptr = indices_of(edges.row_ptr),
             .index = indices_of(edges.col),
             .coefficient = coefficient.const_data_ptr<T>(),
             .from = h.const_data_ptr<T>(),
             .scale = s.const_data_ptr<T>(),
             .self_scale = s.const_data_ptr<T>(),
             .self = h.const_data_ptr<T>(),
             .out = out.mutable_data_ptr<T>()},
            edges.num_nodes);
  return {out, s};
}

/// The formulas stand at the CPU's backward.
template <class T>
PropagateGradients propagate_backward(const Tensor& d_out, const Tensor& s,
                                      const PropagateArgs& args, const PropagateNeeds& needs) {
  const c10::cuda::CUDAGuard guard(args.h.device());
  const EdgeList& edges = args.edges;
  const int64_t N = edges.num_nodes, E = edges.num_edges();
  const Tensor g = d_out.contiguous(), h = args.h.contiguous();
  const Tensor m = args.mask.reshape({-1}).index_select(0, edges.order);
  const Tensor receiver = edges.row.index_select(0, edges.sender_order);
  const Tensor w = m.index_select(0, edges.sender_order) * s.index_select(0, receiver);
  PropagateGradients d;
  Tensor dots, self_dots;
  if (needs[0]) d[0] = at::empty_like(h);
  if (needs[1]) {
    dots = at::zeros({E}, h.options());
    self_dots = at::zeros({N}, h.options());
  }
  Gather<T> pass{.width = h.size(1),
                 .ptr = indices_of(edges.sender_ptr),
                 .index = indices_of(receiver),
                 .coefficient = w.const_data_ptr<T>(),
                 .from = g.const_data_ptr<T>(),
                 .scale = s.const_data_ptr<T>(),
                 .self_scale = s.const_data_ptr<T>(),
                 .self = g.const_data_ptr<T>()};
  if (needs[0]) pass.out = d[0].mutable_data_ptr<T>();
  if (needs[1]) {
    pass.with = h.const_data_ptr<T>();
    pass.dot = dots.mutable_data_ptr<T>();
    pass.self_dot = self_dots.mutable_data_ptr<T>();
  }
  launch<T>(pass, N);
  if (!needs[1]) return d;

  const Tensor a = at::empty_like(dots).index_copy_(0, edges.sender_order, dots);
  const Tensor places = at::arange(E, edges.row.options());
  const Tensor s_col = s.index_select(0, edges.col);
  Tensor d_s = row_sums<T>(edges.sender_ptr, places, w, dots, 2 * s * self_dots);
  d_s = row_sums<T>(edges.row_ptr, places, s_col * m, a, d_s);
  const Tensor d_degree = -0.5 * s * s * s * d_s;
  const Tensor d_edge =
      s.index_select(0, edges.row) * s_col * a + d_degree.index_select(0, edges.col);
  d[1] = at::zeros({edges.num_given}, h.options())
             .index_copy_(0, edges.order, d_edge)
             .view(args.mask.sizes());
  return d;
}

// ---- sparse_linear ------------------------------------------------------------------------------

template <class T>
Tensor multiply(const SparseMatrix& x, const Tensor& weight) {
  const c10::cuda::CUDAGuard guard(weight.device());
  return sparse_linear_forward<T>(x, weight, launch<T>);
}

template <class T>
SparseGradients multiply_backward(const Tensor& d_out, const SparseMatrix& x, const Tensor& weight,
                                  const SparseNeeds& needs) {
  const c10::cuda::CUDAGuard guard(weight.device());
  return sparse_linear_backward<T>(d_out, x, weight, needs, launch<T>);
}

// ---- edge_softmax -------------------------------------------------------------------------------

template <class T>
Tensor softmax(const Tensor& value, const Tensor& d_alpha, const EdgeList& edges) {
  const c10::cuda::CUDAGuard guard(value.device());
  const Tensor from = value.contiguous();
  const Tensor out = at::zeros_like(value, at::MemoryFormat::Contiguous);
  RowSoftmax<T> pass{.heads = value.dim() == 1 ? 1 : value.size(1),
                     .ptr = indices_of(edges.row_ptr),
                     .place = indices_of(edges.order),
                     .value = from.const_data_ptr<T>(),
                     .d = nullptr,
                     .out = out.mutable_data_ptr<T>()};
  const auto stream = c10::cuda::getCurrentCUDAStream();
  if (!d_alpha.defined()) {
    C10_CUDA_CHECK(cuda::softmax<T>(pass, edges.num_nodes, stream));
    return out;
  }
  const Tensor d = d_alpha.contiguous();
  pass.d = d.const_data_ptr<T>();
  C10_CUDA_CHECK(cuda::softmax_backward<T>(pass, edges.num_nodes, stream));
  return out;
}

// ---- sparsity_adam_ -----------------------------------------------------------------------------

template <class T>
void update(const SparsityAdamEntry& e, const SparsityAdamFactors& f) {
  const c10::cuda::CUDAGuard guard(e.mask.device());
  C10_CUDA_CHECK(cuda::adam<T>(sparsity_adam_pass<T>(e, f), c10::cuda::getCurrentCUDAStream()));
}

// ---- Registration -------------------------------------------------------------------------------

bool is_double(const Tensor& tensor) { return tensor.scalar_type() == at::kDouble; }

const PropagateDevice kPropagate{
    .forward =
        [](const PropagateArgs& a) {
          return is_double(a.h) ? propagate<double>(a) : propagate<float>(a);
        },
    .backward =
        [](const Tensor& d, const Tensor& s, const PropagateArgs& a, const PropagateNeeds& needs) {
          return is_double(a.h) ? propagate_backward<double>(d, s, a, needs)
                                : propagate_backward<float>(d, s, a, needs);
        }};

const SparseDevice kSparse{
    .forward =
        [](const SparseMatrix& x, const Tensor& w) {
          return is_double(w) ? multiply<double>(x, w) : multiply<float>(x, w);
        },
    .backward =
        [](const Tensor& d, const SparseMatrix& x, const Tensor& w, const SparseNeeds& needs) {
          return is_double(w) ? multiply_backward<double>(d, x, w, needs)
                              : multiply_backward<float>(d, x, w, needs);
        }};

const SoftmaxDevice kSoftmax{.forward =
                                 [](const Tensor& logits, const EdgeList& edges) {
                                   return is_double(logits) ? softmax<double>(logits, {}, edges)
                                                            : softmax<float>(logits, {}, edges);
                                 },
                             .backward =
                                 [](const Tensor& d, const Tensor& alpha, const EdgeList& edges) {
                                   return is_double(alpha) ? softmax<double>(alpha, d, edges)
                                                           : softmax<float>(alpha, d, edges);
                                 }};

void update_any(const SparsityAdamEntry& entry, const SparsityAdamFactors& factors) {
  if (is_double(entry.mask)) {
    update<double>(entry, factors);
  } else {
    update<float>(entry, factors);
  }
}

[[maybe_unused]] const bool kRegistered =
    (propagate_cuda() = &kPropagate, sparse_cuda() = &kSparse, softmax_cuda() = &kSoftmax,
     sparsity_adam_cuda() = update_any, true);

}  // namespace

}  // namespace tessera::ops
