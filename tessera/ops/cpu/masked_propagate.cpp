#include <ATen/ATen.h>

#include <cmath>

#include "tessera/ops/cpu/graph.h"
#include "tessera/ops/masked_propagate_args.h"

namespace tessera::ops {

namespace {

/// Edges are cheap beside their rows of h, but there are millions: loops over them are parallel.
constexpr int64_t kEdgeGrain = 1 << 15;

/// mask in the list's order.
template <class T>
at::Tensor in_list_order(const PropagateArgs& args) {
  const int64_t E = args.edges.num_edges();
  const at::Tensor given = args.mask.contiguous(), sorted = at::empty({E}, args.h.options());
  const T* from = given.const_data_ptr<T>();
  T* to = sorted.mutable_data_ptr<T>();
  const int64_t* order = indices_of(args.edges.order);
  at::parallel_for(0, E, kEdgeGrain, [&](int64_t begin, int64_t end) {
    for (int64_t e = begin; e < end; ++e) to[e] = from[order[e]];
  });
  return sorted;
}

/// s of every node.
template <class T>
at::Tensor scales(const PropagateArgs& args, const T* mask) {
  const EdgeList& edges = args.edges;
  const int64_t N = edges.num_nodes;
  const at::Tensor scale = at::empty({N}, args.h.options());
  const int64_t *ptr = indices_of(edges.sender_ptr), *list = indices_of(edges.sender_order);
  T* s = scale.mutable_data_ptr<T>();
  for_each_rows(ptr, N, 1, [&](int64_t begin, int64_t end) {
    for (int64_t v = begin; v < end; ++v) {
      T degree = 1;
      for (int64_t k = ptr[v]; k < ptr[v + 1]; ++k) degree += mask[list[k]];
      s[v] = degree;
    }
  });
  check_degrees(scale);
  for (int64_t v = 0; v < N; ++v) s[v] = s[v] == 0 ? T(0) : T(1) / std::sqrt(s[v]);
  return scale;
}

template <class T>
PropagateKept forward(const PropagateArgs& args) {
  const EdgeList& edges = args.edges;
  const at::Tensor h = args.h.contiguous(), mask = in_list_order<T>(args);
  T* coefficient = mask.mutable_data_ptr<T>();
  const at::Tensor scale = scales<T>(args, coefficient);
  const T* s = scale.const_data_ptr<T>();
  const int64_t* col = indices_of(edges.col);
  at::parallel_for(0, edges.num_edges(), kEdgeGrain, [&](int64_t begin, int64_t end) {
    for (int64_t e = begin; e < end; ++e) coefficient[e] *= s[col[e]];
  });
  const at::Tensor out = at::empty_like(h);
  run_gather<T>({.width = h.size(1),
                 .ptr = indices_of(edges.row_ptr),
                 .index = col,
                 .coefficient = coefficient,
                 .from = h.const_data_ptr<T>(),
                 .scale = s,
                 .self_scale = s,
                 .self = h.const_data_ptr<T>(),
                 .out = out.mutable_data_ptr<T>()},
                edges.num_nodes);
  return {out, scale};
}

/// With g the gradient by out and a_e = g_{c_e} · h_{r_e}:
///   d_h_r  = s_r (s_r g_r + Σ_{e leaves r} s_{c_e} m_e g_{c_e})
///   d_s_v  = Σ_{e leaves v} s_{c_e} m_e a_e + Σ_{e enters v} s_{r_e} m_e a_e + 2 s_v g_v · h_v
///   d_m_e  = s_{r_e} s_{c_e} a_e − ½ s³_{r_e} d_s_{r_e}
template <class T>
PropagateGradients backward(const at::Tensor& d_out, const at::Tensor& scale,
                            const PropagateArgs& args, const PropagateNeeds& needs) {
  const EdgeList& edges = args.edges;
  const int64_t N = edges.num_nodes, E = edges.num_edges();
  const at::Tensor g = d_out.contiguous(), h = args.h.contiguous();
  const at::Tensor mask = in_list_order<T>(args);
  const T *m = mask.const_data_ptr<T>(), *s = scale.const_data_ptr<T>();
  const int64_t *row = indices_of(edges.row), *col = indices_of(edges.col);
  const int64_t* by_sender = indices_of(edges.sender_order);
  const int64_t* sender_ptr = indices_of(edges.sender_ptr);

  // Of the edges grouped by sender: receiver and s_c m_e.
  const at::Tensor receiver = at::empty({E}, edges.row.options());
  const at::Tensor weight = at::empty({E}, h.options());
  int64_t* to = receiver.mutable_data_ptr<int64_t>();
  T* w = weight.mutable_data_ptr<T>();
  at::parallel_for(0, E, kEdgeGrain, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      to[k] = row[by_sender[k]];
      w[k] = m[by_sender[k]] * s[to[k]];
    }
  });
  PropagateGradients d;
  at::Tensor dots, self_dots;
  if (needs[0]) d[0] = at::empty_like(h);
  if (needs[1]) {
    dots = at::empty({E}, h.options());
    self_dots = at::empty({N}, h.options());
    if (h.size(1) == 0) {
      dots.zero_();
      self_dots.zero_();
    }
  }
  Gather<T> pass{.width = h.size(1),
                 .ptr = sender_ptr,
                 .index = to,
                 .coefficient = w,
                 .from = g.const_data_ptr<T>(),
                 .scale = s,
                 .self_scale = s,
                 .self = g.const_data_ptr<T>()};
  if (needs[0]) pass.out = d[0].mutable_data_ptr<T>();
  if (needs[1]) {
    pass.with = h.const_data_ptr<T>();
    pass.dot = dots.mutable_data_ptr<T>();
    pass.self_dot = self_dots.mutable_data_ptr<T>();
  }
  run_gather<T>(pass, N);
  if (!needs[1]) return d;

  // a in the list's order; then −½ s³ d_s, in place of the nodes' own products.
  const at::Tensor a_list = at::empty({E}, h.options());
  T *a = a_list.mutable_data_ptr<T>(), *d_degree = self_dots.mutable_data_ptr<T>();
  const T* a_sender = dots.const_data_ptr<T>();
  at::parallel_for(0, E, kEdgeGrain, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) a[by_sender[k]] = a_sender[k];
  });
  const int64_t* row_ptr = indices_of(edges.row_ptr);
  for_each_rows(row_ptr, N, 1, [&](int64_t begin, int64_t end) {
    for (int64_t v = begin; v < end; ++v) {
      T d_s = 2 * s[v] * d_degree[v];
      for (int64_t k = sender_ptr[v]; k < sender_ptr[v + 1]; ++k) d_s += w[k] * a_sender[k];
      for (int64_t e = row_ptr[v]; e < row_ptr[v + 1]; ++e) d_s += s[col[e]] * m[e] * a[e];
      d_degree[v] = T(-0.5) * s[v] * s[v] * s[v] * d_s;
    }
  });
  const int64_t given = edges.num_given;
  d[1] = given == E ? at::empty(args.mask.sizes(), h.options())
                    : at::zeros(args.mask.sizes(), h.options());
  T* d_mask = d[1].mutable_data_ptr<T>();
  const int64_t* order = indices_of(edges.order);
  at::parallel_for(0, E, kEdgeGrain, [&](int64_t begin, int64_t end) {
    for (int64_t e = begin; e < end; ++e) {
      d_mask[order[e]] = s[row[e]] * s[col[e]] * a[e] + d_degree[col[e]];
    }
  });
  return d;
}

}  // namespace

PropagateKept masked_propagate_cpu(const PropagateArgs& args) {
  return args.h.scalar_type() == at::kDouble ? forward<double>(args) : forward<float>(args);
}

PropagateGradients masked_propagate_backward_cpu(const at::Tensor& d_out, const at::Tensor& scale,
                                                 const PropagateArgs& args,
                                                 const PropagateNeeds& needs) {
  return args.h.scalar_type() == at::kDouble ? backward<double>(d_out, scale, args, needs)
                                             : backward<float>(d_out, scale, args, needs);
}

}  // namespace tessera::ops
