#include <array>

#include <ATen/ATen.h>

#include "tessera/ops/cpu/perceptron_kernel.h"
#include "tessera/ops/cpu/workspace.h"
#include "tessera/ops/perceptron_args.h"

namespace tessera::ops {

namespace {

template <class T>
const PerceptronKernels<T>& kernels() {
  static const PerceptronKernels<T> chosen = [] {
    switch (instruction_set()) {
      case InstructionSet::kAvx512:
        return AVX512::perceptron_kernels<T>();
      case InstructionSet::kAvx2:
        return AVX2::perceptron_kernels<T>();
      default:
        return DEFAULT::perceptron_kernels<T>();
    }
  }();
  return chosen;
}

/// The problem, with the contiguous tensors its pointers lead to.
template <class T>
struct Problem : PerceptronProblem<T> {
  explicit Problem(const PerceptronArgs& args) : PerceptronProblem<T>{} {
    const PerceptronTensors tensors = tensors_of(args);
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].defined()) contiguous_[i] = tensors[i].contiguous();
    }
    this->rows = args.input.x.size(0);
    this->dim = args.weights.w1.size(0);
    this->out_dim = args.weights.w2.size(0);
    for (int64_t s = kInputX; s <= kInputZ; ++s) {
      if (!contiguous_[s].defined()) break;
      this->inputs[s] = contiguous_[s].template const_data_ptr<T>();
      this->widths[s] = contiguous_[s].size(1);
      this->num_inputs = s + 1;
    }
    this->activation = args.activation;
    this->residual = args.residual;
    this->w1 = contiguous_[kW1].template const_data_ptr<T>();
    this->b1 = contiguous_[kB1].template const_data_ptr<T>();
    this->w2 = contiguous_[kW2].template const_data_ptr<T>();
    if (contiguous_[kB2].defined()) this->b2 = contiguous_[kB2].template const_data_ptr<T>();
  }

  /// Multiply-adds of the forward, for the number of threads.
  int64_t work() const { return this->rows * this->dim * (this->w1_columns() + this->out_dim); }

 private:
  PerceptronTensors contiguous_;
};

template <class T>
PerceptronPacked<T> packed_layout(const PerceptronProblem<T>& p, bool backward, Layout<T>& layout) {
  PerceptronPacked<T> w{};
  if (backward) {
    for (int64_t s = 0; s < p.num_inputs; ++s) w.w1[s] = layout.take(p.dim * padded(p.widths[s]));
  } else {
    w.w1_t = layout.take(p.w1_columns() * p.row_size());
    w.b1 = layout.take(p.row_size());
    w.w2_t = layout.take(p.out_dim == 1 ? 0 : p.dim * p.out_row());
    w.b2 = layout.take(p.out_row());
  }
  w.w2 = layout.take(backward || p.out_dim == 1 ? p.out_dim * p.row_size() : 0);
  return w;
}

template <class T>
PerceptronSums<T> sums_layout(const PerceptronProblem<T>& p, Layout<T>& layout) {
  PerceptronSums<T> sums{};
  for (int64_t s = 0; s < p.num_inputs; ++s) sums.w1[s] = layout.take(p.dim * padded(p.widths[s]));
  sums.b1 = layout.take(p.row_size());
  sums.w2 = layout.take(p.out_dim * p.row_size());
  sums.b2 = layout.take(p.out_row());
  return sums;
}

template <class T>
PerceptronKept forward(const PerceptronArgs& args, bool keep) {
  const Problem<T> p(args);
  const auto options = args.input.x.options();
  PerceptronKept kept{.out = at::empty({p.rows, p.out_dim}, options)};
  if (keep) kept.z1 = at::empty({p.rows, p.row_size()}, options);

  const int64_t parts = parts_for(p.work(), kMaxThreads);
  const int64_t scratch = padded(kernels<T>().scratch_size(p));
  Layout<T> count;
  packed_layout(p, /*backward=*/false, count);
  const at::Tensor memory = at::empty({count.size() + parts * scratch}, options);
  Layout<T> layout(memory.mutable_data_ptr<T>());
  const PerceptronPacked<T> w = packed_layout(p, /*backward=*/false, layout);
  T* const scratches = layout.take(parts * scratch);
  T* const out = kept.out.mutable_data_ptr<T>();
  T* const z1 = keep ? kept.z1.template mutable_data_ptr<T>() : nullptr;

  kernels<T>().pack(p, /*backward=*/false, w);
  for_each_part(parts, [&](int64_t part) {
    kernels<T>().forward(p, w, z1, out, part_begin(p.rows, parts, part),
                         part_begin(p.rows, parts, part + 1), scratches + part * scratch);
  });
  return kept;
}

template <class T>
T* pointer(at::Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<T>() : nullptr;
}

template <class T>
PerceptronTensors backward(const at::Tensor& d_out_given, const at::Tensor& z1,
                           const PerceptronArgs& args, const PerceptronNeeds& needs) {
  const Problem<T> p(args);
  const auto options = args.input.x.options();
  const at::Tensor d_out = d_out_given.contiguous();
  const PerceptronTensors tensors = tensors_of(args);
  PerceptronTensors d;
  for (size_t i = 0; i < d.size(); ++i) {
    if (needs[i]) d[i] = at::empty(tensors[i].sizes(), options);
  }
  PerceptronBackward<T> b{};
  b.z1 = z1.const_data_ptr<T>();
  b.d_out = d_out.const_data_ptr<T>();
  b.needs_weights = needs[kW1];
  for (int64_t s = kInputX; s <= kInputZ; ++s) b.d_inputs[s] = pointer<T>(d[s]);

  const int64_t parts = parts_for(2 * p.work(), kMaxThreads);
  const int64_t scratch = padded(kernels<T>().scratch_size(p));
  Layout<T> count, sums_count;
  packed_layout(p, /*backward=*/true, count);
  sums_layout(p, sums_count);
  const int64_t sums_size = b.needs_weights ? sums_count.size() : 0;
  const at::Tensor memory = at::empty({count.size() + parts * (scratch + sums_size)}, options);
  Layout<T> layout(memory.mutable_data_ptr<T>());
  const PerceptronPacked<T> w = packed_layout(p, /*backward=*/true, layout);
  T* const scratches = layout.take(parts * scratch);
  std::array<PerceptronSums<T>, kMaxThreads> sums{};
  std::array<T*, kMaxThreads> sums_begin{};
  for (int64_t part = 0; part < parts && b.needs_weights; ++part) {
    sums_begin[part] = layout.take(0);
    sums[part] = sums_layout(p, layout);
  }

  kernels<T>().pack(p, /*backward=*/true, w);
  for_each_part(parts, [&](int64_t part) {
    if (b.needs_weights) std::fill_n(sums_begin[part], sums_size, T(0));
    kernels<T>().backward(p, w, b, sums[part], part_begin(p.rows, parts, part),
                          part_begin(p.rows, parts, part + 1), scratches + part * scratch);
  });
  if (b.needs_weights) {
    kernels<T>().reduce(
        p, sums.data(), parts,
        {pointer<T>(d[kW1]), pointer<T>(d[kB1]), pointer<T>(d[kW2]), pointer<T>(d[kB2])});
  }
  return d;
}

}  // namespace

PerceptronKept perceptron_cpu(const PerceptronArgs& args, bool keep) {
  return args.input.x.scalar_type() == at::kDouble ? forward<double>(args, keep)
                                                   : forward<float>(args, keep);
}

PerceptronTensors perceptron_backward_cpu(const at::Tensor& d_out, const at::Tensor& z1,
                                          const PerceptronArgs& args,
                                          const PerceptronNeeds& needs) {
  return args.input.x.scalar_type() == at::kDouble ? backward<double>(d_out, z1, args, needs)
                                                   : backward<float>(d_out, z1, args, needs);
}

}  // namespace tessera::ops
