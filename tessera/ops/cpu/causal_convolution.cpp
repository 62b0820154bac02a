#include <ATen/ATen.h>
#include <ATen/Dispatch.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tessera/ops/causal_convolution_args.h"
#include "tessera/ops/cpu/causal_convolution_kernel.h"
#include "tessera/ops/cpu/workspace.h"

namespace tessera::ops {
namespace {

template <class T>
const ConvolutionKernels<T>& kernels() {
  static const ConvolutionKernels<T> chosen = [] {
    switch (instruction_set()) {
      case InstructionSet::kAvx512:
        return AVX512::convolution_kernels<T>();
      case InstructionSet::kAvx2:
        return AVX2::convolution_kernels<T>();
      default:
        return DEFAULT::convolution_kernels<T>();
    }
  }();
  return chosen;
}

/// Angles in double, rounded once.
template <class T>
void fill_twiddles(int64_t points, T* to) {
  for (int64_t n = points; n >= 4; n /= 4) {
    for (int64_t k = 0; k < n / 4; ++k) {
      for (int64_t power = 1; power <= 3; ++power) {
        const double angle =
            -2 * std::numbers::pi * static_cast<double>(power * k) / static_cast<double>(n);
        *to++ = static_cast<T>(std::cos(angle));
        *to++ = static_cast<T>(std::sin(angle));
      }
    }
  }
}

int64_t blocks_of(int64_t count, int64_t lanes) { return (count + lanes - 1) / lanes; }

/// The problem with the memory that its pointers lead to.
template <class T>
class Problem : public ConvolutionProblem<T> {
 public:
  Problem(const at::Tensor& u, const at::Tensor& kernel) : ConvolutionProblem<T>{} {
    this->signals = u.size(0);
    this->length = u.size(1);
    this->reach = std::min(u.size(1), kernel.size(0));
    this->channels = kernel.size(1);
    this->points = 2;
    while (this->points < this->length + this->reach - 1) this->points *= 2;
    u_ = u.contiguous();
    kernel_ = kernel.contiguous();
    twiddles_ = empty({twiddle_count(this->points)});
    fill_twiddles(this->points, twiddles_.template mutable_data_ptr<T>());
    this->u = u_.template const_data_ptr<T>();
    this->kernel = kernel_.template const_data_ptr<T>();
    this->twiddles = twiddles_.template const_data_ptr<T>();
    blocks_ = std::max<int64_t>(blocks_of(this->channels, kernels<T>().lanes), 1);
    // A group transforms its block's kernel again: no more groups than threads need.
    const int64_t wanted = blocks_of(at::get_num_threads(), blocks_);
    groups_ = std::clamp<int64_t>(wanted, 1, std::max<int64_t>(this->pairs(), 1));
    spectra_ = empty({this->pairs(), 2 * this->points});
    for_each(blocks_of(this->pairs(), kernels<T>().lanes), [&](int64_t block, T* scratch) {
      kernels<T>().transform_signals(*this, block * kernels<T>().lanes, spectra_data(), scratch);
    });
  }

  at::Tensor empty(at::IntArrayRef sizes) const { return at::empty(sizes, u_.options()); }
  T* spectra_data() const { return spectra_.template mutable_data_ptr<T>(); }
  int64_t blocks() const { return blocks_; }
  int64_t groups() const { return groups_; }

  /// body(index, scratch) of [0, count), in parallel.
  template <class Body>
  void for_each(int64_t count, const Body& body) const {
    at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
      const at::Tensor scratch = empty({kernels<T>().scratch_size(*this)});
      for (int64_t i = begin; i < end; ++i) body(i, scratch.template mutable_data_ptr<T>());
    });
  }

  /// body(block, group, first pair, end, scratch), in parallel.
  template <class Body>
  void for_each_group(const Body& body) const {
    for_each(blocks_ * groups_, [&](int64_t item, T* scratch) {
      const int64_t group = item % groups_, pairs = this->pairs();
      body(item / groups_, group, part_begin(pairs, groups_, group),
           part_begin(pairs, groups_, group + 1), scratch);
    });
  }

 private:
  at::Tensor u_, kernel_, twiddles_, spectra_;
  int64_t blocks_ = 0, groups_ = 1;
};

template <class T>
at::Tensor forward(const at::Tensor& u, const at::Tensor& kernel) {
  const Problem<T> p(u, kernel);
  at::Tensor y = p.empty({p.signals, p.length, p.channels});
  T* const to = y.mutable_data_ptr<T>();
  p.for_each_group([&](int64_t block, int64_t, int64_t begin, int64_t end, T* scratch) {
    kernels<T>().forward(p, p.spectra_data(), block * kernels<T>().lanes, begin, end, to, scratch);
  });
  return y;
}

template <class T>
ConvolutionGradients backward(const at::Tensor& d_y, const at::Tensor& u, const at::Tensor& kernel,
                              ConvolutionNeeds needs) {
  const Problem<T> p(u, kernel);
  const at::Tensor given = d_y.contiguous();
  const int64_t lanes = kernels<T>().lanes;
  at::Tensor d_spectra, d_kernels, d_u, d_kernel;
  if (needs[0]) d_spectra = p.empty({p.blocks(), p.pairs(), 2 * p.points});
  if (needs[1]) d_kernels = p.empty({p.blocks(), p.groups(), p.points * 2 * lanes});
  p.for_each_group([&](int64_t block, int64_t group, int64_t begin, int64_t end, T* scratch) {
    T* const d_k = needs[1] ? d_kernels[block][group].template mutable_data_ptr<T>() : nullptr;
    T* const d_s = needs[0] ? d_spectra[block].template mutable_data_ptr<T>() : nullptr;
    kernels<T>().backward(p, p.spectra_data(), given.const_data_ptr<T>(), block * lanes, begin, end,
                          d_k, d_s, scratch);
  });
  if (needs[0]) {
    const at::Tensor sum = p.blocks() == 1 ? d_spectra[0] : d_spectra.sum(0);
    d_u = p.empty({p.signals, p.length});
    p.for_each(blocks_of(p.pairs(), lanes), [&](int64_t block, T* scratch) {
      kernels<T>().finish_signals(p, sum.const_data_ptr<T>(), block * lanes,
                                  d_u.mutable_data_ptr<T>(), scratch);
    });
  }
  if (needs[1]) {
    at::Tensor sum = p.groups() == 1 ? d_kernels.select(1, 0) : d_kernels.sum(1);
    d_kernel = at::zeros(kernel.sizes(), kernel.options());
    p.for_each(p.blocks(), [&](int64_t block, T*) {
      kernels<T>().finish_kernel(p, sum[block].template mutable_data_ptr<T>(), block * lanes,
                                 d_kernel.mutable_data_ptr<T>());
    });
  }
  return {d_u, d_kernel};
}

}  // namespace

at::Tensor causal_convolution_cpu(const at::Tensor& u, const at::Tensor& kernel) {
  return AT_DISPATCH_FLOATING_TYPES(u.scalar_type(), "causal_convolution",
                                    [&] { return forward<scalar_t>(u, kernel); });
}

ConvolutionGradients causal_convolution_backward_cpu(const at::Tensor& d_y, const at::Tensor& u,
                                                     const at::Tensor& kernel,
                                                     ConvolutionNeeds needs) {
  return AT_DISPATCH_FLOATING_TYPES(u.scalar_type(), "causal_convolution_backward",
                                    [&] { return backward<scalar_t>(d_y, u, kernel, needs); });
}

}  // namespace tessera::ops
