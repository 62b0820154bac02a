#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <vector>

#include "tessera/ops/cpu/egcl_kernel.h"
#include "tessera/ops/cpu/workspace.h"
#include "tessera/ops/egcl_args.h"

namespace tessera::ops {

namespace {

template <class T>
const EgclForwardKernels<T>& forward_kernels() {
  static const EgclForwardKernels<T> kernels = [] {
    switch (instruction_set()) {
      case InstructionSet::kAvx512:
        return AVX512::egcl_forward_kernels<T>();
      case InstructionSet::kAvx2:
        return AVX2::egcl_forward_kernels<T>();
      default:
        return DEFAULT::egcl_forward_kernels<T>();
    }
  }();
  return kernels;
}

template <class T>
const EgclBackwardKernels<T>& backward_kernels() {
  static const EgclBackwardKernels<T> kernels = [] {
    switch (instruction_set()) {
      case InstructionSet::kAvx512:
        return AVX512::egcl_backward_kernels<T>();
      case InstructionSet::kAvx2:
        return AVX2::egcl_backward_kernels<T>();
      default:
        return DEFAULT::egcl_backward_kernels<T>();
    }
  }();
  return kernels;
}

/// The problem, with the contiguous tensors its pointers lead to.
template <class T>
struct Problem : EgclProblem<T> {
  explicit Problem(const EgclArgs& args) {
    const EgclTensors tensors = tensors_of(args);
    const EdgeList& e = args.edges;
    this->num_nodes = e.num_nodes;
    this->num_edges = e.num_edges();
    this->in_dim = args.h.size(1);
    this->dim = args.weights.edge_b1.size(0);
    this->coord_dim = args.x.defined() ? args.x.size(1) : 0;
    this->attr_dim = args.edge_attr.defined() ? args.edge_attr.size(1) : 0;
    this->activation = args.options.activation;
    this->coord_norm = args.options.coord_norm;
    this->coord_tanh = args.options.coord_tanh;
    this->coord_mean = args.options.coord_mean;
    this->has_clamp = args.options.coord_clamp.has_value();
    this->coord_clamp = T(args.options.coord_clamp.value_or(0));
    this->weigh_coords = args.options.weigh_coords && args.edge_weight.defined();

    const std::array<const at::Tensor*, 6> lists = {&e.row_ptr, &e.row,        &e.col,
                                                    &e.order,   &e.sender_ptr, &e.sender_order};
    const std::array<const int64_t**, 6> places = {&this->row_ptr,    &this->row,
                                                   &this->col,        &this->order,
                                                   &this->sender_ptr, &this->sender_order};
    for (size_t i = 0; i < lists.size(); ++i) {
      indices_[i] = lists[i]->contiguous();
      *places[i] = indices_[i].template const_data_ptr<int64_t>();
    }
    const std::array<const T**, kNumEgclInputs> pointers = {
        &this->h,        &this->x,        &this->edge_attr, &this->edge_weight, &this->edge_w1,
        &this->edge_b1,  &this->edge_w2,  &this->edge_b2,   &this->att_w,       &this->att_b,
        &this->coord_w1, &this->coord_b1, &this->coord_w2};
    for (size_t i = 0; i < pointers.size(); ++i) {
      *pointers[i] = nullptr;
      if (!tensors[i].defined()) continue;
      tensors_[i] = tensors[i].contiguous();
      *pointers[i] = tensors_[i].template const_data_ptr<T>();
    }
  }

  /// Multiply-adds of the forward, for the number of threads.
  int64_t work() const {
    const int64_t d = this->dim;
    return (this->num_edges + this->num_nodes) * d * d * (this->has_head() ? 2 : 1);
  }

 private:
  std::array<at::Tensor, 6> indices_;
  EgclTensors tensors_;
};

template <class T>
EgclPacked<T> packed_layout(const EgclProblem<T>& p, bool backward, Layout<T>& layout) {
  const int64_t row = p.row_size(), square = p.dim * row;
  const int64_t head_square = p.has_head() ? square : 0;
  EgclPacked<T> w{};
  w.b1 = layout.take(2 * row);
  w.features_t = layout.take(p.features() * row);
  w.b2 = layout.take(row);
  w.att_w = layout.take(row);
  w.coord_b1 = layout.take(row);
  w.coord_w2 = layout.take(row);
  if (backward) {
    w.w1 = layout.take(2 * row * padded(p.in_dim));
    w.w2 = layout.take(square);
    w.coord_w1 = layout.take(head_square);
  } else {
    w.w1_t = layout.take(p.in_dim * 2 * row);
    w.w2_t = layout.take(square);
    w.coord_w1_t = layout.take(head_square);
  }
  return w;
}

/// The layout of the tensor `saved`; saved_size() is its length.
template <class T>
EgclSaved<T> saved_layout(const EgclProblem<T>& p, T* base) {
  const int64_t row = p.row_size();
  Layout<T> layout(base);
  EgclSaved<T> saved{};
  saved.pq = layout.take(p.num_nodes * 2 * row);
  saved.z2 = layout.take(p.num_edges * row);
  saved.z3 = layout.take(p.has_head() ? p.num_edges * row : 0);
  saved.gate = layout.take(p.num_edges);
  saved.s = layout.take(p.num_edges);
  return saved;
}

template <class T>
EgclSums<T> sums_layout(const EgclProblem<T>& p, Layout<T>& layout) {
  const int64_t row = p.row_size(), square = p.dim * row;
  EgclSums<T> sums{};
  sums.w1 = layout.take(2 * row * padded(p.in_dim));
  sums.b1 = layout.take(row);
  sums.features = layout.take(p.features() * row);
  sums.w2 = layout.take(square);
  sums.b2 = layout.take(row);
  sums.att_w = layout.take(row);
  sums.att_b = layout.take(1);
  sums.coord_w1 = layout.take(p.has_head() ? square : 0);
  sums.coord_b1 = layout.take(row);
  sums.coord_w2 = layout.take(row);
  return sums;
}

/// First receivers of ranges with about equally many edges each; [parts] is the number of nodes.
template <class T>
std::array<int64_t, kMaxThreads + 1> balanced_ranges(const EgclProblem<T>& p, int64_t parts) {
  std::array<int64_t, kMaxThreads + 1> begins{};
  for (int64_t part = 1; part < parts; ++part) {
    const int64_t edge = part_begin(p.num_edges, parts, part);
    begins[part] = std::lower_bound(p.row_ptr, p.row_ptr + p.num_nodes, edge) - p.row_ptr;
  }
  begins[parts] = p.num_nodes;
  return begins;
}

template <class T>
EgclKept forward(const EgclArgs& args, bool keep) {
  const Problem<T> p(args);
  const EgclForwardKernels<T>& kernels = forward_kernels<T>();
  const auto options = args.h.options();
  EgclKept kept;
  kept.result.agg = at::empty({p.num_nodes, p.dim}, options);
  kept.result.x_delta = at::empty({p.num_nodes, p.has_head() ? p.coord_dim : 0}, options);
  if (keep) {
    kept.saved = at::empty({saved_size(p.num_nodes, p.num_edges, p.dim, p.has_head())}, options);
  }

  const int64_t parts = parts_for(p.work(), kMaxThreads);
  Layout<T> count;
  packed_layout(p, /*backward=*/false, count);
  if (!keep) count.take(p.num_nodes * 2 * p.row_size());
  const int64_t scratch = padded(kernels.scratch_size(p));
  const at::Tensor memory = at::empty({count.size() + parts * scratch}, options);
  Layout<T> layout(memory.mutable_data_ptr<T>());
  const EgclPacked<T> w = packed_layout(p, /*backward=*/false, layout);
  EgclForward<T> f{};
  if (keep) {
    T* const base = kept.saved.template mutable_data_ptr<T>();
    f.saved = saved_layout<T>(p, base);
    // Not every problem has a gate and a head: equal calls give equal tensors all the same.
    std::fill(f.saved.gate, base + kept.saved.numel(), T(0));
  } else {
    f.saved.pq = layout.take(p.num_nodes * 2 * p.row_size());
  }
  f.agg = kept.result.agg.template mutable_data_ptr<T>();
  f.x_delta = kept.result.x_delta.template mutable_data_ptr<T>();

  kernels.pack(p, /*backward=*/false, w);
  for_each_part(parts, [&](int64_t part) {
    kernels.nodes(p, w, f.saved.pq, part_begin(p.num_nodes, parts, part),
                  part_begin(p.num_nodes, parts, part + 1));
  });
  const auto ranges = balanced_ranges(p, parts);
  T* const scratches = layout.take(parts * scratch);
  for_each_part(parts, [&](int64_t part) {
    kernels.edges(p, w, f, ranges[part], ranges[part + 1], scratches + part * scratch);
  });
  return kept;
}

template <class T>
T* pointer(at::Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<T>() : nullptr;
}

template <class T>
EgclTensors backward(const at::Tensor& d_agg_given, const at::Tensor& d_x_delta_given,
                     const at::Tensor& saved, const EgclArgs& args, const EgclNeeds& needs) {
  const Problem<T> p(args);
  const EgclBackwardKernels<T>& kernels = backward_kernels<T>();
  const auto options = args.h.options();
  const at::Tensor d_agg = d_agg_given.defined() ? d_agg_given.contiguous() : d_agg_given;
  const at::Tensor d_x_delta =
      d_x_delta_given.defined() ? d_x_delta_given.contiguous() : d_x_delta_given;

  EgclTensors tensors = tensors_of(args), d;
  bool needs_weights = false;
  for (size_t i = kEdgeW1; i < kNumEgclInputs; ++i) needs_weights |= needs[i];
  for (size_t i = 0; i < kNumEgclInputs; ++i) {
    const bool wanted = i < kEdgeW1 ? needs[i] : needs_weights;
    if (!wanted || !tensors[i].defined()) continue;
    // Edges that were dropped have no gradient of their own.
    const bool partial = (i == kEdgeAttr || i == kEdgeWeight) && p.num_edges < args.edges.num_given;
    d[i] =
        partial ? at::zeros(tensors[i].sizes(), options) : at::empty(tensors[i].sizes(), options);
  }

  EgclBackward<T> b{};
  b.saved = saved_layout<T>(p, const_cast<T*>(saved.const_data_ptr<T>()));
  if (d_agg.defined()) b.d_agg = d_agg.const_data_ptr<T>();
  if (d_x_delta.defined() && p.has_head()) b.d_x_delta = d_x_delta.const_data_ptr<T>();
  b.needs_weights = needs_weights;
  b.d_h = pointer<T>(d[kH]);
  b.d_x = pointer<T>(d[kX]);
  b.d_edge_attr = pointer<T>(d[kEdgeAttr]);
  b.d_edge_weight = pointer<T>(d[kEdgeWeight]);

  const int64_t parts = parts_for(2 * p.work(), kMaxThreads);
  const int64_t scratch = padded(kernels.scratch_size(p)), row = p.row_size();
  Layout<T> count, sums_count;
  packed_layout(p, /*backward=*/true, count);
  sums_layout(p, sums_count);
  const int64_t sums_size = needs_weights ? sums_count.size() : 0;
  const int64_t edge_rows = p.num_edges * row + padded(p.num_edges * p.coord_dim);
  const at::Tensor memory = at::empty(
      {count.size() + edge_rows + p.num_nodes * 2 * row + parts * (scratch + sums_size)}, options);
  Layout<T> layout(memory.mutable_data_ptr<T>());
  const EgclPacked<T> w = packed_layout(p, /*backward=*/true, layout);
  b.d_z1 = layout.take(p.num_edges * row);
  b.d_diff = layout.take(p.num_edges * p.coord_dim);
  b.d_pq = layout.take(p.num_nodes * 2 * row);
  T* const scratches = layout.take(parts * scratch);
  std::array<EgclSums<T>, kMaxThreads> sums{};
  std::array<T*, kMaxThreads> sums_begin{};
  for (int64_t part = 0; part < parts && needs_weights; ++part) {
    sums_begin[part] = layout.take(0);
    sums[part] = sums_layout(p, layout);
  }

  forward_kernels<T>().pack(p, /*backward=*/true, w);
  const auto ranges = balanced_ranges(p, parts);
  for_each_part(parts, [&](int64_t part) {
    if (needs_weights) std::fill_n(sums_begin[part], sums_size, T(0));
    kernels.edges(p, w, b, sums[part], ranges[part], ranges[part + 1], scratches + part * scratch);
  });
  for_each_part(parts, [&](int64_t part) {
    kernels.nodes(p, w, b, sums[part], part_begin(p.num_nodes, parts, part),
                  part_begin(p.num_nodes, parts, part + 1), scratches + part * scratch);
  });
  if (needs_weights) {
    kernels.reduce(p, sums.data(), parts,
                   {pointer<T>(d[kEdgeW1]), pointer<T>(d[kEdgeB1]), pointer<T>(d[kEdgeW2]),
                    pointer<T>(d[kEdgeB2]), pointer<T>(d[kAttW]), pointer<T>(d[kAttB]),
                    pointer<T>(d[kCoordW1]), pointer<T>(d[kCoordB1]), pointer<T>(d[kCoordW2])});
  }
  return d;
}

}  // namespace

EgclKept egcl_cpu(const EgclArgs& args, bool keep) {
  return args.h.scalar_type() == at::kDouble ? forward<double>(args, keep)
                                             : forward<float>(args, keep);
}

EgclTensors egcl_backward_cpu(const at::Tensor& d_agg, const at::Tensor& d_x_delta,
                              const at::Tensor& saved, const EgclArgs& args,
                              const EgclNeeds& needs) {
  return args.h.scalar_type() == at::kDouble
             ? backward<double>(d_agg, d_x_delta, saved, args, needs)
             : backward<float>(d_agg, d_x_delta, saved, args, needs);
}

}  // namespace tessera::ops
