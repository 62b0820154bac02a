#include <ATen/ATen.h>

#include <algorithm>

#include "tessera/ops/cpu/lmu_cell_kernel.h"
#include "tessera/ops/cpu/workspace.h"
#include "tessera/ops/lmu_cell_args.h"
#include "tessera/ops/product.h"

namespace tessera::ops {
namespace {

template <class T>
const LmuCellKernels<T>& kernels() {
  static const LmuCellKernels<T> chosen = [] {
    switch (instruction_set()) {
      case InstructionSet::kAvx512:
        return AVX512::lmu_cell_kernels<T>();
      case InstructionSet::kAvx2:
        return AVX2::lmu_cell_kernels<T>();
      default:
        return DEFAULT::lmu_cell_kernels<T>();
    }
  }();
  return chosen;
}

/// The problem with the packed weights its pointers lead to.
template <class T>
class Problem : public LmuCellProblem<T> {
 public:
  Problem(const LmuCellTensors& t, bool backward) : LmuCellProblem<T>{} {
    this->steps = t[kCellU].size(0);
    this->batch = t[kCellU].size(1);
    this->hidden = t[kWm].size(0);
    this->order = t[kWm].size(1);
    const int64_t hidden = this->hidden, order = this->order, h_row = this->h_row();
    const auto zeros = [&](at::IntArrayRef sizes) { return at::zeros(sizes, t[kWm].options()); };
    const at::Tensor read_A = product(t[kWm], t[kCellA]);  // (H, N)
    const auto in_state = [&](const at::Tensor& h_part, const at::Tensor& m_part) {
      at::Tensor both = zeros({this->state_row()});
      both.narrow(0, 0, hidden).copy_(h_part.reshape({-1}));
      both.narrow(0, h_row, order).copy_(m_part.reshape({-1}));
      return both;
    };
    e_ = in_state(t[kEh], t[kEm]);
    qb_ = in_state(at::matmul(t[kWm], t[kCellB]), t[kCellB]);
    if (backward) {
      to_h_ = zeros({hidden, h_row});
      to_h_.narrow(1, 0, hidden).copy_(t[kWh]);
      to_m_ = zeros({this->state_row(), this->m_row()});
      to_m_.narrow(0, 0, hidden).narrow(1, 0, order).copy_(read_A);
      to_m_.narrow(0, h_row, order).narrow(1, 0, order).copy_(t[kCellA]);
    } else {
      to_h_ = zeros({this->state_row(), h_row});
      to_h_.narrow(0, 0, hidden).narrow(1, 0, hidden).copy_(t[kWh].t());
      to_h_.narrow(0, h_row, order).narrow(1, 0, hidden).copy_(read_A.t());
      to_m_ = zeros({order, this->m_row()});
      to_m_.narrow(1, 0, order).copy_(t[kCellA].t());
    }
    this->e = e_.const_data_ptr<T>();
    this->qb = qb_.const_data_ptr<T>();
    this->to_h = to_h_.const_data_ptr<T>();
    this->to_m = to_m_.const_data_ptr<T>();
  }

  /// Multiply-adds of all steps, for the number of threads.
  int64_t work() const { return this->steps * this->batch * this->state_row() * this->state_row(); }

  /// Calls body(begin, end, scratch) for parts of the batch: sequences do not wait for each other.
  template <class Body>
  void for_each_range(const Body& body) const {
    const int64_t parts = std::min(parts_for(work(), kMaxThreads), this->batch);
    const int64_t rows = (this->batch + parts - 1) / parts;
    const int64_t scratch = kernels<T>().scratch_size(*this, rows);
    const at::Tensor memory = at::empty({parts * scratch}, e_.options());
    T* const base = memory.mutable_data_ptr<T>();
    for_each_part(parts, [&](int64_t part) {
      body(part_begin(this->batch, parts, part), part_begin(this->batch, parts, part + 1),
           base + part * scratch);
    });
  }

 private:
  at::Tensor e_, qb_, to_h_, to_m_;
};

LmuCellTensors contiguous(const LmuCellTensors& given) {
  LmuCellTensors result;
  std::ranges::transform(given, result.begin(), [](const at::Tensor& t) { return t.contiguous(); });
  return result;
}

template <class T>
LmuCellKept forward(const LmuCellTensors& t, bool keep) {
  const Problem<T> p(t, /*backward=*/false);
  const auto options = t[kCellU].options();
  LmuCellKept kept{.h = at::empty({p.steps, p.batch, p.hidden}, options),
                   .m_n = at::empty({p.batch, p.order}, options)};
  if (keep) {
    kept.m = at::empty({p.steps, p.batch, p.order}, options);
    kept.u = at::empty({p.steps, p.batch}, options);
  }
  const LmuCellForward<T> f{.u_in = t[kCellU].const_data_ptr<T>(),
                            .h_in = t[kCellH].const_data_ptr<T>(),
                            .h0 = t[kCellH0].const_data_ptr<T>(),
                            .m0 = t[kCellM0].const_data_ptr<T>(),
                            .h = kept.h.mutable_data_ptr<T>(),
                            .m = keep ? kept.m.mutable_data_ptr<T>() : nullptr,
                            .u = keep ? kept.u.mutable_data_ptr<T>() : nullptr,
                            .m_n = kept.m_n.mutable_data_ptr<T>()};
  p.for_each_range([&](int64_t begin, int64_t end, T* scratch) {
    kernels<T>().forward(p, f, begin, end, scratch);
  });
  return kept;
}

/// (T, B, k) → (T·B, k).
at::Tensor rows_of(const at::Tensor& tensor) { return tensor.view({-1, tensor.size(-1)}); }

/// Σ_t d_tᵀ s_{t−1} of d (T, B, k) and states s (T, B, n) with s0 before the first.
at::Tensor against_previous(const at::Tensor& d, const at::Tensor& s, const at::Tensor& s0) {
  const int64_t later = d.size(0) - 1;
  const at::Tensor first = product(d[0].t(), s0);
  if (later == 0) return first;
  return first + product(rows_of(d.narrow(0, 1, later)).t(), rows_of(s.narrow(0, 0, later)));
}

template <class T>
LmuCellTensors backward(const at::Tensor& d_h, const at::Tensor& d_m_n, const at::Tensor& h,
                        const at::Tensor& m, const at::Tensor& u, const LmuCellTensors& t,
                        const LmuCellNeeds& needs) {
  const Problem<T> p(t, /*backward=*/true);
  const auto options = t[kCellU].options();
  const at::Tensor d_h_given = d_h.defined() ? d_h.contiguous() : at::Tensor();
  const at::Tensor d_m_given = d_m_n.defined() ? d_m_n.contiguous() : at::Tensor();
  const bool keeps_c = needs[kCellA] || needs[kCellB];
  const at::Tensor d_u = at::empty({p.steps, p.batch}, options),
                   d_pre = at::empty({p.steps, p.batch, p.hidden}, options),
                   d_h0 = at::empty({p.batch, p.hidden}, options),
                   d_m0 = at::empty({p.batch, p.order}, options),
                   c_m = keeps_c ? at::empty({p.steps, p.batch, p.order}, options) : at::Tensor();
  const LmuCellBackward<T> b{.h = h.const_data_ptr<T>(),
                             .d_h = d_h_given.defined() ? d_h_given.const_data_ptr<T>() : nullptr,
                             .d_m_n = d_m_given.defined() ? d_m_given.const_data_ptr<T>() : nullptr,
                             .d_u = d_u.mutable_data_ptr<T>(),
                             .d_h_in = d_pre.mutable_data_ptr<T>(),
                             .c_m = keeps_c ? c_m.mutable_data_ptr<T>() : nullptr,
                             .d_h0 = d_h0.mutable_data_ptr<T>(),
                             .d_m0 = d_m0.mutable_data_ptr<T>()};
  p.for_each_range([&](int64_t begin, int64_t end, T* scratch) {
    kernels<T>().backward(p, b, begin, end, scratch);
  });

  // The weights' gradients are products over all steps at once.
  LmuCellTensors d;
  d[kCellU] = d_u;
  d[kCellH] = d_pre;
  d[kCellH0] = d_h0;
  d[kCellM0] = d_m0;
  const at::Tensor d_u_column = d_u.unsqueeze(2);
  if (needs[kEh]) d[kEh] = against_previous(d_u_column, h, t[kCellH0]);
  if (needs[kEm]) d[kEm] = against_previous(d_u_column, m, t[kCellM0]);
  if (needs[kWh]) d[kWh] = against_previous(d_pre, h, t[kCellH0]);
  if (needs[kWm]) d[kWm] = product(rows_of(d_pre).t(), rows_of(m));
  if (keeps_c) {
    const at::Tensor d_m = c_m + affine(d_pre, t[kWm].t());
    if (needs[kCellA]) d[kCellA] = against_previous(d_m, m, t[kCellM0]);
    if (needs[kCellB]) d[kCellB] = product(rows_of(d_m).t(), u.reshape({-1, 1}));
  }
  for (size_t i = 0; i < d.size(); ++i) {
    if (!needs[i]) d[i] = at::Tensor();
  }
  return d;
}

}  // namespace

LmuCellKept lmu_cell_cpu(const LmuCellTensors& tensors, bool keep) {
  const LmuCellTensors t = contiguous(tensors);
  return t[kCellU].scalar_type() == at::kDouble ? forward<double>(t, keep)
                                                : forward<float>(t, keep);
}

LmuCellTensors lmu_cell_backward_cpu(const at::Tensor& d_h, const at::Tensor& d_m_n,
                                     const at::Tensor& h, const at::Tensor& m, const at::Tensor& u,
                                     const LmuCellTensors& tensors, const LmuCellNeeds& needs) {
  const LmuCellTensors t = contiguous(tensors);
  return t[kCellU].scalar_type() == at::kDouble ? backward<double>(d_h, d_m_n, h, m, u, t, needs)
                                                : backward<float>(d_h, d_m_n, h, m, u, t, needs);
}

}  // namespace tessera::ops
