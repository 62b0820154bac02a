#include "tessera/systems/lmu/memory.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <vector>

#include "tessera/ops/causal_convolution.h"
#include "tessera/ops/lmu_chunked.h"
#include "tessera/ops/lmu_final_state.h"

namespace tessera::lmu {
namespace {

/// τ → Āᵀ, B̄ in the model's dtype, computed and differentiated in double.
struct DiscretiseFunction : torch::autograd::Function<DiscretiseFunction> {
  using Context = torch::autograd::AutogradContext;
  using Variables = torch::autograd::variable_list;

  static Variables forward(Context* context, const at::Tensor& theta_inv, const at::Tensor& A,
                           const at::Tensor& B, int64_t discretizer) {
    const auto kind = static_cast<Discretizer>(discretizer);
    const StateSpace continuous{A, B};
    const StateSpace discrete = discretise(continuous, theta_inv.item<double>(), kind);
    const StateSpace slope = discretise_derivative(continuous, discrete, kind);
    context->save_for_backward({theta_inv, slope.A, slope.B});
    return {discrete.A.t().to(theta_inv.options()).contiguous(),
            discrete.B.to(theta_inv.options())};
  }

  static Variables backward(Context* context, Variables d) {
    const Variables kept = context->get_saved_variables();
    double slope = 0;
    if (d[0].defined()) {
      slope += (d[0].to(at::kCPU, at::kDouble).t() * kept[1]).sum().item<double>();
    }
    if (d[1].defined()) slope += (d[1].to(at::kCPU, at::kDouble) * kept[2]).sum().item<double>();
    return {at::full_like(kept[0], slope), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

at::Tensor recurrent_states(const at::Tensor& u, const at::Tensor& m0, const Kernels& kernels) {
  const int64_t batch = u.size(0), width = u.size(2), n = kernels.B.size(0);
  at::Tensor m = m0.defined() ? m0 : at::zeros({batch, width, n}, u.options());
  std::vector<at::Tensor> states;
  states.reserve(u.size(1));
  for (const at::Tensor& u_t : u.unbind(1)) states.push_back(m = memory_step(u_t, m, kernels));
  return at::stack(states, 1);
}

at::Tensor fft_states(const at::Tensor& u, const Kernels& kernels) {
  const int64_t batch = u.size(0), length = u.size(1), width = u.size(2), n = kernels.B.size(0);
  const at::Tensor u_RT = u.transpose(1, 2).reshape({batch * width, length});
  return ops::causal_convolution(u_RT, kernels.impulse)
      .view({batch, width, length, n})
      .transpose(1, 2);
}

/// Row t holds u_{t−L+1} … u_t, zeros before the start: (…, T) → (…, T, L).
at::Tensor windows(const at::Tensor& u, int64_t length) {
  return at::constant_pad_nd(u, {length - 1, 0}).unfold(-1, length, 1);
}

at::Tensor convolution_states(const at::Tensor& u, const Kernels& kernels) {
  const at::Tensor g = kernels.impulse.narrow(0, 0, std::min(u.size(1), kernels.impulse.size(0)));
  return at::matmul(windows(u.transpose(1, 2), g.size(0)), g.flip(0)).transpose(1, 2);
}

at::Tensor chunked_states(const at::Tensor& u, const at::Tensor& m0, const Kernels& kernels) {
  constexpr int64_t kChunk = 64;
  const int64_t batch = u.size(0), length = u.size(1), width = u.size(2), n = kernels.B.size(0);
  const at::Tensor u_RT = u.transpose(1, 2).reshape({batch * width, length});
  const at::Tensor m0_RN = m0.defined() ? m0.reshape({batch * width, n}) : at::Tensor();
  return ops::lmu_chunked(u_RT, m0_RN, kernels.impulse, kernels.A_t, kChunk)
      .view({batch, width, length, n})
      .transpose(1, 2);
}

}  // namespace

Mode mode_of(std::string_view name) {
  static const std::array<std::pair<std::string_view, Mode>, 6> kModes = {
      {{"auto", Mode::kAuto},
       {"recurrent", Mode::kRecurrent},
       {"fft", Mode::kFft},
       {"convolution", Mode::kConvolution},
       {"chunked", Mode::kChunked},
       {"final_state", Mode::kFinalState}}};
  for (const auto& [word, mode] : kModes) {
    if (word == name) return mode;
  }
  TORCH_INTERNAL_ASSERT(false, "the configuration admits no other mode");
}

DelayMemory::DelayMemory(int64_t order, double theta, Discretizer discretizer,
                         std::optional<double> truncate_ir)
    : order_(order),
      discretizer_(discretizer),
      truncate_ir_(truncate_ir),
      continuous_(delay_system(order)),
      discrete_(discretise(continuous_, 1 / theta, discretizer)) {
  warn_if_unstable(order, theta, discretizer);
}

const Kernels& DelayMemory::kernels(int64_t length, const at::TensorOptions& options) {
  if (cached_ && cached_->first >= length &&
      cached_->second.B.options().dtype() == options.dtype() &&
      cached_->second.B.device() == options.device()) {
    return cached_->second;
  }
  const at::NoGradGuard no_grad;
  if (!impulse_.defined() || impulse_.size(0) < length) {
    impulse_ = impulse_response(discrete_, length);
  }
  at::Tensor kept = impulse_;
  if (truncate_ir_ && *truncate_ir_ > 0) {
    // Of each coefficient the share that is still to come; cut where all are below the bound.
    const at::Tensor size = impulse_.abs();
    const at::Tensor rest = size.flip(0).cumsum(0).flip(0);
    const at::Tensor below = (rest / rest[0] < *truncate_ir_).all(1);
    const int64_t first =
        below.any().item<bool>() ? below.to(at::kByte).argmax().item<int64_t>() : impulse_.size(0);
    kept = impulse_.narrow(0, 0, std::max<int64_t>(first, 1));
  }
  cached_ = {impulse_.size(0),
             {.A_t = discrete_.A.t().to(options).contiguous(),
              .B = discrete_.B.to(options),
              .impulse = kept.to(options).contiguous()}};
  return cached_->second;
}

Kernels DelayMemory::kernels(int64_t length, const at::Tensor& theta_inv,
                             const at::TensorOptions& options, bool with_impulse) const {
  const auto discrete = DiscretiseFunction::apply(theta_inv, continuous_.A, continuous_.B,
                                                  static_cast<int64_t>(discretizer_));
  Kernels kernels{.A_t = discrete[0].to(options), .B = discrete[1].to(options)};
  if (with_impulse) {
    const at::Tensor first = kernels.B.view({1, 1, order_});
    kernels.impulse = kernels.B.view({1, order_});
    if (length > 1) {
      kernels.impulse =
          at::cat({kernels.impulse, decay(first, kernels.A_t, length - 1).view({-1, order_})}, 0);
    }
  }
  return kernels;
}

at::Tensor decay(const at::Tensor& m0, const at::Tensor& A_t, int64_t length) {
  const int64_t n = m0.size(2);
  at::Tensor rows = at::matmul(m0, A_t).unsqueeze(1);
  at::Tensor power = A_t;
  while (rows.size(1) < length) {
    const int64_t more = std::min(rows.size(1), length - rows.size(1));
    rows = at::cat({rows, at::matmul(rows.narrow(1, 0, more), power)}, 1);
    if (rows.size(1) < length) power = at::mm(power, power);
  }
  return rows.view({m0.size(0), length, m0.size(1), n});
}

at::Tensor memory_step(const at::Tensor& u, const at::Tensor& m, const Kernels& kernels) {
  return at::matmul(m, kernels.A_t) + u.unsqueeze(2) * kernels.B;
}

at::Tensor memory_states(const at::Tensor& u, const at::Tensor& m0, const Kernels& kernels,
                         Mode mode) {
  if (mode == Mode::kRecurrent) return recurrent_states(u, m0, kernels);
  if (mode == Mode::kChunked) return chunked_states(u, m0, kernels);
  const at::Tensor m =
      mode == Mode::kConvolution ? convolution_states(u, kernels) : fft_states(u, kernels);
  return m0.defined() ? m + decay(m0, kernels.A_t, u.size(1)) : m;
}

at::Tensor final_memory(const at::Tensor& u, const at::Tensor& m0, const Kernels& kernels,
                        Mode mode) {
  const int64_t length = u.size(1);
  if (mode != Mode::kFinalState && mode != Mode::kAuto) {
    return memory_states(u, m0, kernels, mode).select(1, length - 1);
  }
  const at::Tensor m = ops::lmu_final_state(u, kernels.impulse);
  return m0.defined() ? m + decay(m0, kernels.A_t, length).select(1, length - 1) : m;
}

}  // namespace tessera::lmu
