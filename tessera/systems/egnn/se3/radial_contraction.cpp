#include "tessera/systems/egnn/se3/radial_contraction.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "tessera/ops/autocast.h"

namespace tessera::egnn::se3 {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Entries of R in a block: 512 KiB of float, half of a second-level cache.
constexpr int64_t kBlockEntries = 1 << 17;

/// Calls f(first pair, number of pairs) for blocks of pairs, several at once.
template <class F>
void for_blocks(int64_t num_pairs, int64_t entries_per_pair, const F& f) {
  const int64_t block = std::max<int64_t>(1, kBlockEntries / entries_per_pair);
  const int64_t num_blocks = (num_pairs + block - 1) / block;
  at::parallel_for(0, num_blocks, 1, [&](int64_t begin, int64_t end) {
    const at::NoGradGuard no_grad;  // of this thread: the caller's does not reach it
    for (int64_t i = begin; i < end; ++i) f(i * block, std::min(block, num_pairs - i * block));
  });
}

class RadialContraction : public torch::autograd::Function<RadialContraction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& products,
                            const at::Tensor& hidden, const at::Tensor& weight,
                            const at::Tensor& bias) {
    context->save_for_backward({products, hidden, weight, bias});
    const int64_t K = products.size(2), m = weight.size(0) / K;
    const at::Tensor messages = products.new_empty({products.size(0), products.size(1), m});
    for_blocks(products.size(0), K * m, [&](int64_t first, int64_t count) {
      const at::Tensor R = at::addmm(bias, hidden.narrow(0, first, count), weight.t());
      at::Tensor out = messages.narrow(0, first, count);
      at::bmm_out(out, products.narrow(0, first, count), R.view({count, K, m}));
    });
    return messages;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &products = saved[0], &hidden = saved[1], &weight = saved[2], &bias = saved[3];
    const at::Tensor grad = grads[0].contiguous();
    const int64_t K = products.size(2), m = weight.size(0) / K;

    // The first layer's products come from data: no gradient is asked of them.
    const at::Tensor grad_products =
        context->needs_input_grad(0) ? at::empty_like(products) : at::Tensor();
    const at::Tensor grad_hidden = at::empty_like(hidden);
    // Blocks go to threads in a fixed way, so partial sums by thread add up to the same bits.
    std::vector<at::Tensor> grad_weight(at::get_num_threads()), grad_bias(at::get_num_threads());
    for_blocks(products.size(0), K * m, [&](int64_t first, int64_t count) {
      const at::Tensor h = hidden.narrow(0, first, count);
      const at::Tensor g = grad.narrow(0, first, count);
      const at::Tensor grad_R =
          products.narrow(0, first, count).transpose(1, 2).bmm(g).view({count, K * m});
      at::Tensor out = grad_hidden.narrow(0, first, count);
      at::mm_out(out, grad_R, weight);
      at::Tensor &dW = grad_weight[at::get_thread_num()], &db = grad_bias[at::get_thread_num()];
      dW = dW.defined() ? dW.addmm_(grad_R.t(), h) : grad_R.t().mm(h);
      db = db.defined() ? db.add_(grad_R.sum(0)) : grad_R.sum(0);
      if (grad_products.defined()) {
        const at::Tensor R = at::addmm(bias, h, weight.t()).view({count, K, m});
        at::Tensor grad_block = grad_products.narrow(0, first, count);
        at::bmm_out(grad_block, g, R.transpose(1, 2));
      }
    });
    return {grad_products, grad_hidden, total(grad_weight, weight), total(grad_bias, bias)};
  }

 private:
  static at::Tensor total(const std::vector<at::Tensor>& parts, const at::Tensor& like) {
    at::Tensor sum;
    for (const at::Tensor& part : parts) {
      if (part.defined()) sum = sum.defined() ? sum.add_(part) : part;
    }
    return sum.defined() ? sum : at::zeros_like(like);
  }
};

}  // namespace

at::Tensor radial_contraction_plain(const at::Tensor& products_USK, const at::Tensor& hidden_UH,
                                    const at::Tensor& weight, const at::Tensor& bias) {
  const int64_t num_pairs = products_USK.size(0), K = products_USK.size(2);
  const at::Tensor R = at::linear(hidden_UH, weight, bias);
  return products_USK.bmm(R.view({num_pairs, K, weight.size(0) / K}));
}

at::Tensor radial_contraction(const at::Tensor& products_USK, const at::Tensor& hidden_UH,
                              const at::Tensor& weight, const at::Tensor& bias) {
  if (ops::is_autocast(products_USK)) {
    const ops::NoAutocast guard;
    return radial_contraction(ops::widened(products_USK), ops::widened(hidden_UH), weight, bias);
  }
  if (!products_USK.is_cpu()) {
    return radial_contraction_plain(products_USK, hidden_UH, weight, bias);
  }
  return RadialContraction::apply(products_USK, hidden_UH, weight, bias);
}

}  // namespace tessera::egnn::se3
