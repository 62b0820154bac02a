#include "tessera/ops/lmu_chunked.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <tuple>
#include <vector>

#include "tessera/core/error.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/dispatch.h"
#include "tessera/ops/product.h"

// Shape suffixes: R signals, T steps, P chunks of C steps, N coefficients.

namespace tessera::ops {
namespace {

using Needs = std::array<bool, 2>;  // of u, of m0
using Pair = std::tuple<at::Tensor, at::Tensor>;

void check(const at::Tensor& u, const OptionalTensor& m0, const at::Tensor& impulse,
           const at::Tensor& A_t, int64_t chunk) {
  const auto alike = [&](const at::Tensor& t) {
    return t.scalar_type() == u.scalar_type() && t.device() == u.device();
  };
  const bool fits = u.dim() == 2 && impulse.dim() == 2 && A_t.dim() == 2 && u.sym_size(1) > 0 &&
                    chunk >= 1 && A_t.sym_size(0) == impulse.sym_size(1) &&
                    A_t.sym_size(1) == impulse.sym_size(1) &&
                    (impulse.sym_size(0) >= chunk || impulse.sym_size(0) >= u.sym_size(1)) &&
                    alike(impulse) && alike(A_t) &&
                    (!m0 || (m0->dim() == 2 && m0->sym_size(0) == u.sym_size(0) &&
                             m0->sym_size(1) == impulse.sym_size(1) && alike(*m0)));
  if (fits) return;
  fail<InvalidArgument>(
      {.where = "lmu_chunked",
       .rule = "u must be (R, T), m0 absent or (R, N), the impulse response (L, N) with L at least "
               "the chunk or T, Āᵀ (N, N), of one dtype and device, and the chunk at least 1",
       .got = fmt::format("{}, {}, {}, {} and a chunk of {}", describe(u),
                          m0 ? describe(*m0) : "no m0", describe(impulse), describe(A_t), chunk),
       .id = "T-LMU-21"});
}

struct Cut {
  int64_t rows, length, n, size, chunks;

  Cut(const at::Tensor& u, const at::Tensor& impulse, int64_t chunk)
      : rows(u.size(0)),
        length(u.size(1)),
        n(impulse.size(1)),
        size(std::min(chunk, length)),
        chunks((length + size - 1) / size) {}
};

/// (N, C·N): Āᵀ, its square, … side by side.
at::Tensor powers_side_by_side(const at::Tensor& A_t, int64_t count) {
  const int64_t n = A_t.size(0);
  at::Tensor all = at::empty({count, n, n}, A_t.options());
  all[0].copy_(A_t);
  for (int64_t done = 1; done < count;) {
    const int64_t more = std::min(done, count - done);
    // The first `more` powers times the last one made: twice as many in one product.
    all.narrow(0, done, more)
        .view({more * n, n})
        .copy_(product(all.narrow(0, 0, more).reshape({more * n, n}), all[done - 1]));
    done += more;
  }
  return all.transpose(0, 1).reshape({n, count * n});
}

at::Tensor forward(const at::Tensor& u, const OptionalTensor& m0, const at::Tensor& impulse,
                   const at::Tensor& A_t, int64_t chunk) {
  check(u, m0, impulse, A_t, chunk);
  const Cut cut(u, impulse, chunk);
  const auto [rows, length, n, size, chunks] = cut;
  const at::Tensor u_RPC =
      at::constant_pad_nd(u, {0, chunks * size - length}).view({rows, chunks, size});
  const at::Tensor windows =
      at::constant_pad_nd(u_RPC, {size - 1, 0}).unfold(2, size, 1).reshape({-1, size});
  at::Tensor m_RPCN =
      product(windows, impulse.narrow(0, 0, size).flip(0)).view({rows, chunks, size, n});
  const at::Tensor powers = powers_side_by_side(A_t, size);
  const at::Tensor last = powers.narrow(1, (size - 1) * n, n).contiguous();
  at::Tensor borders_RPN = at::zeros({rows, chunks, n}, u.options());
  if (m0) borders_RPN.select(1, 0).copy_(*m0);
  for (int64_t p = 0; p + 1 < chunks; ++p) {
    borders_RPN.select(1, p + 1).copy_(
        at::addmm(m_RPCN.select(1, p).select(1, size - 1), borders_RPN.select(1, p), last));
  }
  m_RPCN += product(borders_RPN.view({rows * chunks, n}), powers).view({rows, chunks, size, n});
  const at::Tensor m = m_RPCN.view({rows, chunks * size, n});
  return length == chunks * size ? m : m.narrow(1, 0, length).contiguous();
}

Pair backward(const at::Tensor& d_m, const at::Tensor& u, const at::Tensor& impulse,
              const at::Tensor& A_t, int64_t chunk, Needs needs) {
  const Cut cut(u, impulse, chunk);
  const auto [rows, length, n, size, chunks] = cut;
  // Signals of one sample arrive with steps outside: a clone by itself would keep them so.
  const at::Tensor d_RPCN = at::constant_pad_nd(d_m, {0, 0, 0, chunks * size - length})
                                .reshape({rows, chunks, size, n})
                                .clone(at::MemoryFormat::Contiguous);
  const at::Tensor powers = powers_side_by_side(A_t, size);
  const at::Tensor last_t = powers.narrow(1, (size - 1) * n, n).t().contiguous();
  const at::Tensor own_RPN =
      product(d_RPCN.view({rows * chunks, size * n}), powers.t()).view({rows, chunks, n});
  // A border feeds its chunk and, past it, the next border, whose other source is the chunk's end.
  at::Tensor border = own_RPN.select(1, chunks - 1);
  for (int64_t p = chunks - 2; p >= 0; --p) {
    d_RPCN.select(1, p).select(1, size - 1).add_(border);
    border = at::addmm(own_RPN.select(1, p), border, last_t);
  }
  at::Tensor d_u, d_m0;
  if (needs[0]) {
    const at::Tensor d_windows =
        product(d_RPCN.view({rows * chunks * size, n}), impulse.narrow(0, 0, size).flip(0).t())
            .view({rows, chunks, size, size});
    // Column k of row i is step i + k − (C−1) of the chunk: sums along diagonals.
    at::Tensor sums = at::zeros({rows, chunks, 2 * size - 1}, u.options());
    for (int64_t i = 0; i < size; ++i) sums.narrow(2, i, size) += d_windows.select(2, i);
    d_u = sums.narrow(2, size - 1, size)
              .reshape({rows, chunks * size})
              .narrow(1, 0, length)
              .contiguous();
  }
  if (needs[1]) d_m0 = border.contiguous();
  return {d_u, d_m0};
}

at::Tensor forward_meta(const at::Tensor& u, const OptionalTensor& m0, const at::Tensor& impulse,
                        const at::Tensor& A_t, int64_t chunk) {
  check(u, m0, impulse, A_t, chunk);
  return u.new_empty_symint({u.sym_size(0), u.sym_size(1), impulse.sym_size(1)});
}

Pair backward_meta(const at::Tensor&, const at::Tensor& u, const at::Tensor& impulse,
                   const at::Tensor&, int64_t, Needs needs) {
  Pair d;
  if (needs[0]) std::get<0>(d) = u.new_empty_symint(u.sym_sizes());
  if (needs[1]) std::get<1>(d) = u.new_empty_symint({u.sym_size(0), impulse.sym_size(1)});
  return d;
}

at::Tensor call(const at::Tensor& u, const OptionalTensor& m0, const at::Tensor& impulse,
                const at::Tensor& A_t, int64_t chunk) {
  static const auto op = operator_handle<decltype(forward)>("tessera::lmu_chunked");
  return op.call(u, m0, impulse, A_t, chunk);
}

struct ChunkedFunction : torch::autograd::Function<ChunkedFunction> {
  using Context = torch::autograd::AutogradContext;
  using Variables = torch::autograd::variable_list;

  static at::Tensor forward(Context* context, const at::Tensor& u, const OptionalTensor& m0,
                            const at::Tensor& impulse, const at::Tensor& A_t, int64_t chunk) {
    context->save_for_backward({u, defined_or_not(m0), impulse, A_t});
    context->saved_data["chunk"] = chunk;
    at::AutoDispatchBelowADInplaceOrView below;
    return call(u, m0, impulse, A_t, chunk);
  }

  static Variables backward(Context* context, Variables d) {
    const Variables kept = context->get_saved_variables();
    const int64_t chunk = context->saved_data["chunk"].toInt();
    const bool has_m0 = kept[1].defined();
    const bool needs_m0 = has_m0 && kept[1].requires_grad();
    const bool needs_u = kept[0].requires_grad(),
               needs_system = kept[2].requires_grad() || kept[3].requires_grad();
    Variables result(5);
    if (at::GradMode::is_enabled() || needs_system) {
      const bool again = at::GradMode::is_enabled();
      const at::AutoGradMode with_grad(true);
      const at::Tensor m = lmu_chunked_plain(kept[0], kept[1], kept[2], kept[3], chunk);
      Variables inputs;
      std::vector<size_t> places;
      for (size_t i = 0; i < kept.size(); ++i) {
        if (!kept[i].defined() || !kept[i].requires_grad()) continue;
        inputs.push_back(kept[i]);
        places.push_back(i);
      }
      const Variables found =
          torch::autograd::grad({m}, inputs, {d[0]}, /*retain_graph=*/again, again, true);
      for (size_t i = 0; i < places.size(); ++i) result[places[i]] = found[i];
    } else {
      static const auto op =
          operator_handle<decltype(ops::backward)>("tessera::lmu_chunked_backward");
      auto [d_u, d_m0] = op.call(d[0], kept[0], kept[2], kept[3], chunk, Needs{needs_u, needs_m0});
      result[0] = d_u;
      result[1] = d_m0;
    }
    return result;
  }
};

at::Tensor run_autograd(const at::Tensor& u, const OptionalTensor& m0, const at::Tensor& impulse,
                        const at::Tensor& A_t, int64_t chunk) {
  const bool needs_grad = u.requires_grad() || (m0 && m0->requires_grad()) ||
                          impulse.requires_grad() || A_t.requires_grad();
  if (at::GradMode::is_enabled() && needs_grad) {
    return ChunkedFunction::apply(u, m0, impulse, A_t, chunk);
  }
  at::AutoDispatchBelowADInplaceOrView below;
  return call(u, m0, impulse, A_t, chunk);
}

}  // namespace

at::Tensor lmu_chunked(const at::Tensor& u, const at::Tensor& m0, const at::Tensor& impulse,
                       const at::Tensor& A_t, int64_t chunk) {
  return call(u, optional(m0), impulse, A_t, chunk);
}

TORCH_LIBRARY_IMPL(tessera, CPU, m) {
  m.impl("lmu_chunked", TORCH_FN(forward));
  m.impl("lmu_chunked_backward", TORCH_FN(backward));
}

TORCH_LIBRARY_IMPL(tessera, CUDA, m) {
  m.impl("lmu_chunked", TORCH_FN(forward));
  m.impl("lmu_chunked_backward", TORCH_FN(backward));
}

TORCH_LIBRARY_IMPL(tessera, Meta, m) {
  m.impl("lmu_chunked", TORCH_FN(forward_meta));
  m.impl("lmu_chunked_backward", TORCH_FN(backward_meta));
}

TORCH_LIBRARY_IMPL(tessera, Autograd, m) { m.impl("lmu_chunked", TORCH_FN(run_autograd)); }

}  // namespace tessera::ops
