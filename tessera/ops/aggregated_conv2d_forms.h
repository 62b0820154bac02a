#pragma once

#include <ATen/core/Tensor.h>

#include <array>

#include "tessera/ops/aggregated_conv2d.h"

// The two forms in which aggregated_conv2d computes; shapes are checked already.

namespace tessera::ops {

struct AggregatedConv {
  at::Tensor x, gates, weight, align, bias;  ///< align and bias may be undefined
  AggregatedConvOptions options;

  int64_t samples() const { return x.size(0); }
  int64_t sources() const { return weight.size(0); }
  int64_t out_channels() const { return weight.size(1); }
  int64_t kernel() const { return weight.size(3); }
  /// I/groups·k·k, the length of a row of a kernel.
  int64_t row_length() const { return weight.size(2) * kernel() * kernel(); }
  /// Rows or columns of the output for `extent` of the input.
  int64_t out_extent(int64_t extent) const {
    return (extent + 2 * options.padding - options.dilation * (kernel() - 1) - 1) / options.stride +
           1;
  }
  int64_t out_height() const { return out_extent(x.size(2)); }
  int64_t out_width() const { return out_extent(x.size(3)); }
  int64_t positions() const { return out_height() * out_width(); }  ///< of one sample
};

enum class AggregatedForm {
  kKernels,  ///< sum the kernels, then convolve
  kOutputs,  ///< convolve with every source, then sum
};
/// The cheaper form. `with_gradient`: a backward follows.
AggregatedForm form_of(const AggregatedConv& it, bool with_gradient);

struct AggregatedKept {
  at::Tensor y;      ///< channels last
  at::Tensor saved;  ///< kKernels: W~ where aligned; kOutputs: (B·H'·W', E·O), what each source saw
};
AggregatedKept aggregate(const AggregatedConv& it, AggregatedForm form, bool keep);

/// Gradients of x, gates, weight, align and bias, those that `needs` names and that are defined.
using AggregatedNeeds = std::array<bool, 5>;
using AggregatedGradients = std::array<at::Tensor, 5>;
AggregatedGradients aggregate_backward(const AggregatedConv& it, AggregatedForm form,
                                       const at::Tensor& d_y, const at::Tensor& saved,
                                       AggregatedNeeds needs);

}  // namespace tessera::ops
