#include <array>

#include <ATen/ATen.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "tessera/ops/activation.h"
#include "tessera/ops/cuda/egcl_cuda.h"
#include "tessera/ops/egcl_args.h"

// Products over whole arrays run in cuBLAS; what happens inside a tile of edges runs in egcl.cu.

namespace tessera::ops {

namespace {

using at::Tensor;

constexpr int64_t kMaxCoords = 16;

bool fits(const EgclArgs& args) {
  return args.h.scalar_type() == at::kFloat && args.weights.edge_b1.size(0) <= cuda::kMaxDim &&
         (!args.x.defined() || args.x.size(1) <= kMaxCoords) && !args.options.weigh_coords;
}

/// The problem, with the contiguous tensors its pointers lead to.
struct Problem : EgclProblem<float> {
  explicit Problem(const EgclArgs& args) : EgclProblem<float>{} {
    const EdgeList& e = args.edges;
    num_nodes = e.num_nodes;
    num_edges = e.num_edges();
    in_dim = args.h.size(1);
    dim = args.weights.edge_b1.size(0);
    coord_dim = args.x.defined() ? args.x.size(1) : 0;
    attr_dim = args.edge_attr.defined() ? args.edge_attr.size(1) : 0;
    activation = args.options.activation;
    coord_norm = args.options.coord_norm;
    coord_tanh = args.options.coord_tanh;
    coord_mean = args.options.coord_mean;
    has_clamp = args.options.coord_clamp.has_value();
    coord_clamp = float(args.options.coord_clamp.value_or(0));

    const std::array<const Tensor*, 6> given = {&e.row_ptr, &e.row,        &e.col,
                                                &e.order,   &e.sender_ptr, &e.sender_order};
    const std::array<const int64_t**, 6> places = {&row_ptr, &row,        &col,
                                                   &order,   &sender_ptr, &sender_order};
    for (size_t i = 0; i < given.size(); ++i) {
      lists[i] = given[i]->contiguous();
      *places[i] = lists[i].const_data_ptr<int64_t>();
    }
    const EgclTensors all = tensors_of(args);
    const std::array<const float**, kNumEgclInputs> pointers = {
        &h,       &x,     &edge_attr, &edge_weight, &edge_w1,  &edge_b1, &edge_w2,
        &edge_b2, &att_w, &att_b,     &coord_w1,    &coord_b1, &coord_w2};
    for (size_t i = 0; i < pointers.size(); ++i) {
      if (!all[i].defined()) continue;
      tensors[i] = all[i].contiguous();
      *pointers[i] = tensors[i].const_data_ptr<float>();
    }
  }

  std::array<Tensor, 6> lists;
  EgclTensors tensors;
};

/// The parts of `saved`, in the order of saved_size().
struct Saved {
  Saved(const Problem& p, const Tensor& saved) {
    const int64_t row = p.row_size();
    int64_t begin = 0;
    const auto take = [&](int64_t count) {
      const Tensor part = saved.narrow(0, begin, count);
      begin += padded(count);
      return part;
    };
    pq = take(p.num_nodes * 2 * row).view({p.num_nodes, 2 * row});
    z2 = take(p.num_edges * row).view({p.num_edges, row});
    z3 = take(p.has_head() ? p.num_edges * row : 0).view({-1, row});
    gate = take(p.num_edges);
    s = take(p.num_edges);
  }
  EgclSaved<float> pointers() const {
    return {pq.mutable_data_ptr<float>(), z2.mutable_data_ptr<float>(),
            z3.mutable_data_ptr<float>(), gate.mutable_data_ptr<float>(),
            s.mutable_data_ptr<float>()};
  }
  Tensor pq, z2, z3, gate, s;
};

EgclKept forward(const EgclArgs& args, bool keep) {
  const c10::cuda::CUDAGuard guard(args.h.device());
  const Problem p(args);
  const auto options = args.h.options();
  const int64_t row = p.row_size(), d = p.dim, k = p.in_dim;
  EgclKept kept;
  kept.result.agg = at::empty({p.num_nodes, d}, options);
  kept.result.x_delta = at::empty({p.num_nodes, p.has_head() ? p.coord_dim : 0}, options);

  EgclForward<float> f{};
  Tensor pq;
  if (keep) {
    kept.saved = at::empty({saved_size(p.num_nodes, p.num_edges, d, p.has_head())}, options);
    const Saved saved(p, kept.saved);
    f.saved = saved.pointers();
    pq = saved.pq;
  } else {
    pq = at::empty({p.num_nodes, 2 * row}, options);
    f.saved.pq = pq.mutable_data_ptr<float>();
  }
  const Tensor& w1 = p.tensors[kEdgeW1];
  pq.narrow(1, 0, d).copy_(at::addmm(p.tensors[kEdgeB1], p.tensors[kH], w1.narrow(1, 0, k).t()));
  pq.narrow(1, row, d).copy_(at::mm(p.tensors[kH], w1.narrow(1, k, k).t()));

  const Tensor w2_t = p.tensors[kEdgeW2].t().contiguous();
  const Tensor coord_w1_t = p.has_head() ? p.tensors[kCoordW1].t().contiguous() : Tensor();
  f.agg = kept.result.agg.mutable_data_ptr<float>();
  f.x_delta = kept.result.x_delta.mutable_data_ptr<float>();
  const cuda::EgclMatrices matrices{
      .w2_t = w2_t.const_data_ptr<float>(),
      .coord_w1_t = p.has_head() ? coord_w1_t.const_data_ptr<float>() : nullptr,
      .w2 = nullptr,
      .coord_w1 = nullptr};
  C10_CUDA_CHECK(cuda::egcl_forward(p, matrices, f, c10::cuda::getCurrentCUDAStream()));
  return kept;
}

/// [r², edge_attr] of the sorted edges: the columns of W1 behind those of the nodes.
Tensor features_of(const Problem& p) {
  std::vector<Tensor> columns;
  if (p.x != nullptr) {
    const Tensor& x = p.tensors[kX];
    const Tensor diff = x.index_select(0, p.lists[1]) - x.index_select(0, p.lists[2]);
    columns.push_back(diff.square().sum(1, /*keepdim=*/true));
  }
  if (p.edge_attr != nullptr) {
    columns.push_back(p.tensors[kEdgeAttr].index_select(0, p.lists[3]));
  }
  if (columns.empty()) columns.push_back(at::empty({p.num_edges, 0}, p.tensors[kH].options()));
  return at::cat(columns, 1);
}

EgclTensors backward(const Tensor& d_agg_given, const Tensor& d_x_delta_given, const Tensor& flat,
                     const EgclArgs& args, const EgclNeeds& needs) {
  const c10::cuda::CUDAGuard guard(args.h.device());
  const Problem p(args);
  const Saved saved(p, flat);
  const int64_t row = p.row_size(), d = p.dim, k = p.in_dim, edges = p.num_edges;
  const auto options = args.h.options();
  const auto empty = [&](at::IntArrayRef sizes) { return at::empty(sizes, options); };
  const bool has_step = p.has_head() && d_x_delta_given.defined();

  const Tensor d_agg = d_agg_given.defined() ? d_agg_given.contiguous() : d_agg_given;
  const Tensor d_x_delta = has_step ? d_x_delta_given.contiguous() : Tensor();
  const Tensor a1 = empty({edges, row}), d_z1 = empty({edges, row}), d_z2 = empty({edges, row});
  const Tensor m = empty({has_step ? edges : 0, row}), d_z3 = empty({has_step ? edges : 0, row});
  const Tensor d_s = empty({edges}), d_logit = empty({edges});
  const Tensor d_diff = empty({edges, p.coord_dim}), d_pq = empty({p.num_nodes, 2 * row});
  EgclTensors g;
  if (needs[kX]) g[kX] = empty(args.x.sizes());
  if (needs[kEdgeAttr]) g[kEdgeAttr] = at::zeros(args.edge_attr.sizes(), options);
  if (needs[kEdgeWeight]) g[kEdgeWeight] = at::zeros(args.edge_weight.sizes(), options);

  const auto pointer = [](const Tensor& t) {
    return t.defined() ? t.mutable_data_ptr<float>() : nullptr;
  };
  const cuda::EgclBackwardArrays arrays{.d_agg = pointer(d_agg),
                                        .d_x_delta = pointer(d_x_delta),
                                        .a1 = pointer(a1),
                                        .d_z1 = pointer(d_z1),
                                        .d_z2 = pointer(d_z2),
                                        .m = pointer(m),
                                        .d_z3 = pointer(d_z3),
                                        .d_s = pointer(d_s),
                                        .d_logit = pointer(d_logit),
                                        .d_diff = pointer(d_diff),
                                        .d_pq = pointer(d_pq),
                                        .d_x = pointer(g[kX]),
                                        .d_edge_attr = pointer(g[kEdgeAttr]),
                                        .d_edge_weight = pointer(g[kEdgeWeight])};
  const cuda::EgclMatrices matrices{
      .w2_t = nullptr, .coord_w1_t = nullptr, .w2 = p.edge_w2, .coord_w1 = p.coord_w1};
  C10_CUDA_CHECK(cuda::egcl_backward(p, matrices, saved.pointers(), arrays,
                                     c10::cuda::getCurrentCUDAStream()));

  const Tensor d_p = d_pq.narrow(1, 0, d), d_q = d_pq.narrow(1, row, d);
  if (needs[kH]) {
    const Tensor& w1 = p.tensors[kEdgeW1];
    g[kH] = at::addmm(at::mm(d_p, w1.narrow(1, 0, k)), d_q, w1.narrow(1, k, k));
  }
  bool needs_weights = false;
  for (size_t i = kEdgeW1; i < kNumEgclInputs; ++i) needs_weights |= needs[i];
  if (!needs_weights) return g;

  const auto columns = [&](const Tensor& t) { return t.narrow(1, 0, d); };
  const Tensor& h = p.tensors[kH];
  g[kEdgeW1] = at::cat(
      {at::mm(d_p.t(), h), at::mm(d_q.t(), h), at::mm(columns(d_z1).t(), features_of(p))}, 1);
  g[kEdgeB1] = d_p.sum(0);
  g[kEdgeW2] = at::mm(columns(d_z2).t(), columns(a1));
  g[kEdgeB2] = columns(d_z2).sum(0);
  if (p.att_w != nullptr) {
    const Tensor m_hat = activate(columns(saved.z2), p.activation);
    g[kAttW] = at::mm(d_logit.unsqueeze(0), m_hat);
    g[kAttB] = d_logit.sum(0, /*keepdim=*/true);
  }
  if (has_step) {
    g[kCoordW1] = at::mm(columns(d_z3).t(), columns(m));
    g[kCoordB1] = columns(d_z3).sum(0);
    g[kCoordW2] = at::mm(d_s.unsqueeze(0), activate(columns(saved.z3), p.activation));
  } else if (p.has_head()) {
    for (const auto place : {kCoordW1, kCoordB1, kCoordW2}) {
      g[place] = at::zeros(p.tensors[place].sizes(), options);
    }
  }
  return g;
}

const EgclDevice kDevice{.fits = fits, .forward = forward, .backward = backward};
[[maybe_unused]] const bool kRegistered = (egcl_cuda() = &kDevice, true);

}  // namespace

}  // namespace tessera::ops
