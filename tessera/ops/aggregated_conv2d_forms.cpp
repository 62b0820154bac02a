#include "tessera/ops/aggregated_conv2d_forms.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "tessera/ops/product.h"

// Legend: B samples, E sources, O and I channels out and in, L = H'·W' positions, P = B·L,
// K = I/groups·k·k.

namespace tessera::ops {
namespace {

constexpr auto kChannelsLast = at::MemoryFormat::ChannelsLast;
/// Summed kernels that exist at a time: they should stay in the second-level cache.
constexpr int64_t kBlockBytes = 4 << 20;

enum Input { kX, kGates, kWeight, kAlign, kBias };

std::array<int64_t, 2> both(int64_t value) { return {value, value}; }

bool is_pointwise(const AggregatedConv& it) {
  return it.kernel() == 1 && it.options.groups == 1 && it.options.padding == 0;
}

/// What a pointwise convolution reads: x at its stride, channels last.
at::Tensor strided(const AggregatedConv& it) {
  const int64_t stride = it.options.stride;
  const at::Tensor read = stride == 1 ? it.x : it.x.slice(2, 0, {}, stride).slice(3, 0, {}, stride);
  return read.contiguous(kChannelsLast);
}

/// (B, C, H, W), channels last, as a matrix of positions: (B·H·W, C), a view.
at::Tensor rows_of(const at::Tensor& maps) {
  return maps.permute({0, 2, 3, 1}).reshape({-1, maps.size(1)});
}

/// The inverse of rows_of for maps of the output.
at::Tensor maps_of(const AggregatedConv& it, const at::Tensor& rows) {
  return rows.view({it.samples(), it.out_height(), it.out_width(), -1}).permute({0, 3, 1, 2});
}

/// W~ as (E, O·K).
at::Tensor flat(const at::Tensor& sources) { return sources.reshape({sources.size(0), -1}); }

/// T as (E, O, O).
at::Tensor alignment(const AggregatedConv& it) {
  return it.align.view({it.sources(), it.out_channels(), it.out_channels()});
}

at::Tensor align_sources(const AggregatedConv& it) {
  const at::Tensor t = alignment(it);
  const at::Tensor w = it.weight.reshape({it.sources(), it.out_channels(), -1});
  at::Tensor aligned = at::empty_like(w, at::MemoryFormat::Contiguous);
  for (int64_t e = 0; e < it.sources(); ++e) aligned[e].copy_(product(t[e], w[e]));
  return aligned.view(it.weight.sizes());
}

// ---- Kernels first ------------------------------------------------------------------------------

at::Tensor convolve(const AggregatedConv& it, const at::Tensor& x, const at::Tensor& kernel,
                    const at::Tensor& bias) {
  const AggregatedConvOptions& o = it.options;
  if (is_pointwise(it)) {
    const at::Tensor rows = affine(rows_of(x), kernel.flatten(1), bias);
    return rows.view({x.size(0), x.size(2), x.size(3), -1}).permute({0, 3, 1, 2});
  }
  return at::conv2d(x, kernel, bias, both(o.stride), both(o.padding), both(o.dilation), o.groups);
}

/// The gradients by one batch that shares a kernel.
struct ConvGradients {
  at::Tensor x, kernel;
};
ConvGradients convolve_backward(const AggregatedConv& it, const at::Tensor& d_y,
                                const at::Tensor& x, const at::Tensor& kernel, bool needs_x,
                                bool needs_kernel) {
  const AggregatedConvOptions& o = it.options;
  ConvGradients d;
  if (is_pointwise(it)) {
    const at::Tensor d_rows = rows_of(d_y);
    if (needs_x) {
      d.x = product(d_rows, kernel.flatten(1))
                .view({x.size(0), x.size(2), x.size(3), -1})
                .permute({0, 3, 1, 2});
    }
    if (needs_kernel) d.kernel = product(d_rows.t(), rows_of(x)).view(kernel.sizes());
    return d;
  }
  std::tie(d.x, d.kernel, std::ignore) = at::convolution_backward(
      d_y, x, kernel, at::OptionalIntArrayRef{}, both(o.stride), both(o.padding), both(o.dilation),
      /*transposed=*/false, both(0), o.groups, {needs_x, needs_kernel, false});
  return d;
}

/// x as the convolutions read it, and how many samples are convolved at a time.
struct Blocks {
  at::Tensor x;
  int64_t size = 1;       ///< kernels in a block
  bool is_shared = true;  ///< one kernel for the whole batch

  explicit Blocks(const AggregatedConv& it)
      : x(is_pointwise(it) ? strided(it) : it.x.contiguous(kChannelsLast)),
        is_shared(it.gates.size(0) == 1) {
    const int64_t bytes = it.out_channels() * it.row_length() * it.weight.element_size();
    size = is_shared ? 1 : std::clamp<int64_t>(kBlockBytes / bytes, 1, it.samples());
  }
};

AggregatedKept kernels_forward(const AggregatedConv& it, bool keep) {
  const at::Tensor aligned = it.align.defined() ? align_sources(it) : it.weight;
  const at::Tensor sources = flat(aligned);
  const at::Tensor biases = it.bias.defined() ? at::mm(it.gates, it.bias) : at::Tensor();
  const Blocks blocks(it);
  const auto bias_of = [&](int64_t sample) { return biases.defined() ? biases[sample] : biases; };
  const std::vector<int64_t> shape = it.weight.sizes().slice(1).vec();
  AggregatedKept kept;
  if (keep && it.align.defined()) kept.saved = aligned;
  if (blocks.is_shared) {
    kept.y = convolve(it, blocks.x, at::mm(it.gates, sources).view(shape), bias_of(0))
                 .contiguous(kChannelsLast);
    return kept;
  }
  kept.y = at::empty({it.samples(), it.out_channels(), it.out_height(), it.out_width()},
                     it.x.options().memory_format(kChannelsLast));
  for (int64_t first = 0; first < it.samples(); first += blocks.size) {
    const int64_t count = std::min(blocks.size, it.samples() - first);
    const at::Tensor kernels = at::mm(it.gates.narrow(0, first, count), sources);
    for (int64_t b = first; b < first + count; ++b) {
      kept.y.narrow(0, b, 1).copy_(
          convolve(it, blocks.x.narrow(0, b, 1), kernels[b - first].view(shape), bias_of(b)));
    }
  }
  return kept;
}

AggregatedGradients kernels_backward(const AggregatedConv& it, const at::Tensor& d_y_any,
                                     const at::Tensor& saved, AggregatedNeeds needs) {
  const at::Tensor aligned = it.align.defined() ? saved : it.weight;
  const at::Tensor sources = flat(aligned), d_y = d_y_any.contiguous(kChannelsLast);
  const bool needs_sources = needs[kWeight] || needs[kAlign];
  const bool needs_kernels = needs_sources || needs[kGates];
  const Blocks blocks(it);
  const std::vector<int64_t> shape = it.weight.sizes().slice(1).vec();
  AggregatedGradients d;
  at::Tensor d_read, d_sources;
  if (needs[kX]) d_read = at::empty_like(blocks.x, kChannelsLast);
  if (needs_sources) d_sources = at::empty_like(sources);
  if (needs[kGates]) d[kGates] = at::empty_like(it.gates, at::MemoryFormat::Contiguous);

  const int64_t rounds = blocks.is_shared ? 1 : it.samples();
  for (int64_t first = 0; first < rounds; first += blocks.size) {
    const int64_t count = std::min(blocks.size, rounds - first);
    const at::Tensor gates = it.gates.narrow(0, first, count);
    const at::Tensor kernels = at::mm(gates, sources);
    at::Tensor d_kernels = needs_kernels ? at::empty_like(kernels) : at::Tensor();
    for (int64_t b = first; b < first + count; ++b) {
      const auto part = [&](const at::Tensor& all) {
        return blocks.is_shared ? all : all.narrow(0, b, 1);
      };
      const ConvGradients one = convolve_backward(
          it, part(d_y), part(blocks.x), kernels[b - first].view(shape), needs[kX], needs_kernels);
      if (needs[kX]) part(d_read).copy_(one.x);
      if (needs_kernels) d_kernels[b - first].view(shape).copy_(one.kernel);
    }
    if (needs_sources && first == 0) at::mm_out(d_sources, gates.t(), d_kernels);
    if (needs_sources && first > 0) d_sources.addmm_(gates.t(), d_kernels);
    if (needs[kGates]) {
      d[kGates].narrow(0, first, count).copy_(at::mm(d_kernels, sources.t()));
    }
  }
  if (needs[kX]) {
    const int64_t stride = it.options.stride;
    if (is_pointwise(it) && stride > 1) {
      d[kX] = at::zeros_like(it.x, kChannelsLast);
      d[kX].slice(2, 0, {}, stride).slice(3, 0, {}, stride).copy_(d_read);
    } else {
      d[kX] = d_read;
    }
  }
  if (!needs_sources) return d;
  if (!it.align.defined()) {
    d[kWeight] = d_sources.view(it.weight.sizes());
    return d;
  }
  const at::Tensor t = alignment(it), d_aligned = d_sources.view({it.sources(), t.size(1), -1});
  const at::Tensor w = it.weight.reshape(d_aligned.sizes());
  if (needs[kAlign]) {
    const at::Tensor d_t = at::empty_like(t, at::MemoryFormat::Contiguous);
    for (int64_t e = 0; e < it.sources(); ++e) {
      d_t[e].copy_(product(d_aligned[e], w[e].t()));
    }
    d[kAlign] = d_t.view(it.align.sizes());
  }
  if (needs[kWeight]) {
    const at::Tensor d_w = at::empty_like(d_aligned);
    for (int64_t e = 0; e < it.sources(); ++e) {
      d_w[e].copy_(product(t[e].t(), d_aligned[e]));
    }
    d[kWeight] = d_w.view(it.weight.sizes());
  }
  return d;
}

// ---- Outputs first ------------------------------------------------------------------------------

/// Patches of x, one row for each position: (P, K).
at::Tensor patches_of(const AggregatedConv& it) {
  if (is_pointwise(it)) return rows_of(strided(it));
  const AggregatedConvOptions& o = it.options;
  const at::Tensor columns = at::im2col(it.x.contiguous(), both(it.kernel()), both(o.dilation),
                                        both(o.padding), both(o.stride));
  return columns.transpose(1, 2).reshape({-1, it.row_length()});
}

at::Tensor patches_backward(const AggregatedConv& it, const at::Tensor& d_patches) {
  const AggregatedConvOptions& o = it.options;
  if (is_pointwise(it)) {
    const at::Tensor d_read = maps_of(it, d_patches);
    if (o.stride == 1) return d_read;
    const at::Tensor d_x = at::zeros_like(it.x, kChannelsLast);
    d_x.slice(2, 0, {}, o.stride).slice(3, 0, {}, o.stride).copy_(d_read);
    return d_x;
  }
  const at::Tensor columns =
      d_patches.view({it.samples(), it.positions(), -1}).transpose(1, 2).contiguous();
  return at::col2im(columns, it.x.sizes().slice(2), both(it.kernel()), both(o.dilation),
                    both(o.padding), both(o.stride));
}

/// Each position's gates beside the outputs of its sources: (P or 1, E, 1).
at::Tensor gates_of_positions(const AggregatedConv& it) {
  if (it.gates.size(0) == 1) return it.gates.unsqueeze(2);
  return it.gates.unsqueeze(1)
      .expand({it.samples(), it.positions(), it.sources()})
      .reshape({-1, it.sources(), 1});
}

/// T beside itself, (O, E·O): row o is the new channel, columns those of the sources.
at::Tensor alignments_side_by_side(const AggregatedConv& it) {
  return alignment(it).permute({1, 0, 2}).reshape({it.out_channels(), -1});
}

AggregatedKept outputs_forward(const AggregatedConv& it, bool keep) {
  const int64_t out = it.out_channels(), sources = it.sources();
  // (P, E·O): what every source makes of every position.
  const at::Tensor z = affine(patches_of(it), it.weight.reshape({sources * out, -1}));
  const at::Tensor gated = z.view({-1, sources, out}) * gates_of_positions(it);
  at::Tensor y = it.align.defined() ? affine(gated.view(z.sizes()), alignments_side_by_side(it))
                                    : gated.sum(1);
  y = maps_of(it, y);
  if (it.bias.defined()) y = y + at::mm(it.gates, it.bias).view({-1, out, 1, 1});
  return {.y = y.contiguous(kChannelsLast), .saved = keep ? z : at::Tensor()};
}

AggregatedGradients outputs_backward(const AggregatedConv& it, const at::Tensor& d_y,
                                     const at::Tensor& z, AggregatedNeeds needs) {
  const int64_t out = it.out_channels(), sources = it.sources();
  const at::Tensor d_rows = rows_of(d_y.contiguous(kChannelsLast));
  const at::Tensor z_PEO = z.view({-1, sources, out}), a_PE1 = gates_of_positions(it);
  AggregatedGradients d;
  // The gradient by the sum's terms before their gates, (P, E or 1, O).
  at::Tensor d_term = d_rows.unsqueeze(1);
  if (it.align.defined()) {
    const at::Tensor t = alignments_side_by_side(it);
    if (needs[kAlign]) {
      const at::Tensor gated = (z_PEO * a_PE1).view(z.sizes());
      d[kAlign] = product(d_rows.t(), gated)
                      .view({out, sources, out})
                      .permute({1, 0, 2})
                      .reshape(it.align.sizes());
    }
    d_term = product(d_rows, t).view(z_PEO.sizes());
  }
  if (needs[kGates]) {
    const at::Tensor d_positions = (z_PEO * d_term).sum(2);
    d[kGates] = d_positions.view({it.gates.size(0), -1, sources}).sum(1);
  }
  if (!needs[kX] && !needs[kWeight]) return d;
  const at::Tensor d_z = (d_term * a_PE1).view(z.sizes());
  if (needs[kWeight]) d[kWeight] = product(d_z.t(), patches_of(it)).view(it.weight.sizes());
  if (needs[kX]) {
    d[kX] = patches_backward(it, product(d_z, it.weight.reshape({sources * out, -1})));
  }
  return d;
}

}  // namespace

AggregatedForm form_of(const AggregatedConv& it, bool with_gradient) {
  if (it.options.groups > 1) return AggregatedForm::kKernels;
  // Nanoseconds for each element of one kernel, measured on one core with AVX-512: a product makes
  // 200 FLOP a nanosecond; a sum of kernels reads E elements and writes one, from memory or cache;
  // its gradient does so three times over.
  constexpr double kFlopsPerNs = 200, kFromMemory = 0.2, kFromCache = 0.05;
  constexpr double kCacheBytes = 1 << 20;
  const auto samples = static_cast<double>(it.samples()),
             kernels = static_cast<double>(it.gates.size(0)),
             sources = static_cast<double>(it.sources()),
             out = static_cast<double>(it.out_channels()),
             row = static_cast<double>(it.row_length()),
             positions = samples * static_cast<double>(it.positions());
  const double bytes = sources * out * row * static_cast<double>(it.weight.element_size());
  const double sum = (bytes > kCacheBytes ? kFromMemory : kFromCache) * (sources + 1);
  const double product_ns = 2 * positions / kFlopsPerNs;
  double kernels_first = kernels * sum * (with_gradient ? 3 : 1) + product_ns;
  double outputs_first = sources * product_ns;
  if (it.align.defined()) {
    kernels_first += 2 * sources * out / kFlopsPerNs;
    outputs_first += sources * product_ns * out / row;
  }
  return outputs_first < kernels_first ? AggregatedForm::kOutputs : AggregatedForm::kKernels;
}

AggregatedKept aggregate(const AggregatedConv& it, AggregatedForm form, bool keep) {
  return form == AggregatedForm::kKernels ? kernels_forward(it, keep) : outputs_forward(it, keep);
}

AggregatedGradients aggregate_backward(const AggregatedConv& it, AggregatedForm form,
                                       const at::Tensor& d_y, const at::Tensor& saved,
                                       AggregatedNeeds needs) {
  AggregatedGradients d = form == AggregatedForm::kKernels
                              ? kernels_backward(it, d_y, saved, needs)
                              : outputs_backward(it, d_y, saved, needs);
  if (!it.bias.defined() || (!needs[kBias] && !needs[kGates])) return d;
  at::Tensor d_bias_of = d_y.sum({2, 3});
  if (it.gates.size(0) == 1) d_bias_of = d_bias_of.sum(0, /*keepdim=*/true);
  if (needs[kBias]) d[kBias] = at::mm(it.gates.t(), d_bias_of);
  if (needs[kGates]) d[kGates] = d[kGates] + at::mm(d_bias_of, it.bias.t());
  return d;
}

at::Tensor aligned_sources(const at::Tensor& weight, const at::Tensor& align) {
  if (!align.defined()) return weight;
  const int64_t sources = weight.size(0), out = weight.size(1);
  if (at::GradMode::is_enabled() && (weight.requires_grad() || align.requires_grad())) {
    return at::matmul(align.view({sources, out, out}), weight.reshape({sources, out, -1}))
        .view(weight.sizes());
  }
  return align_sources(
      {.x = {}, .gates = {}, .weight = weight, .align = align, .bias = {}, .options = {}});
}

}  // namespace tessera::ops
