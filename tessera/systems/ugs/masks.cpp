#include "tessera/systems/ugs/masks.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>

#include "tessera/core/error.h"

namespace tessera::ugs {

MaskedWeight::MaskedWeight(torch::nn::Module& owner, int64_t out, int64_t in, bool is_masked) {
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  // Turned in memory: a product with sparse features streams the weights of one feature.
  const at::Tensor drawn = torch::empty({out, in}).uniform_(-bound, bound).t().contiguous().t();
  weight = owner.register_parameter(is_masked ? "weight_orig_weight" : "weight", drawn);
  if (!is_masked) return;
  soft = owner.register_parameter("weight_mask_train", torch::ones_like(drawn));
  hard = owner.register_buffer("weight_mask_fixed", torch::ones_like(drawn));
  product = std::make_shared<MaskedProduct>(weight, soft, hard);
}

torch::nn::Module& module_at(torch::nn::Module& root, const std::string& path) {
  torch::nn::Module* at = &root;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('.', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    const auto children = at->named_children();
    const auto* child = children.find(name);
    at = child ? child->get()
               : at->register_module(name, std::make_shared<torch::nn::Module>(name)).get();
    begin = end + 1;
  }
  return *at;
}

Pruning prune(const std::vector<at::Tensor>& soft, double rate) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> magnitudes;
  for (const at::Tensor& mask : soft) {
    const at::Tensor flat = mask.detach().abs().flatten();
    magnitudes.push_back(flat.masked_select(flat != 0));
  }
  at::Tensor all = at::cat(magnitudes);
  const int64_t before = all.numel();
  const auto place = static_cast<int64_t>(static_cast<double>(before) * rate);
  if (before == 0 || place >= before) {
    fail<InvalidArgument>({.where = "ugs",
                           .rule = "a round needs masks that are not 0",
                           .got = "nothing left to prune",
                           .next = "Use fewer rounds or lower rates.",
                           .id = "T-UGS-15"});
  }
  // kthvalue counts from 1.
  Pruning pruning{.threshold = std::get<0>(all.kthvalue(place + 1)), .before = before};
  for (const at::Tensor& mask : soft) {
    pruning.keep.push_back((mask.detach().abs() > pruning.threshold).to(mask.scalar_type()));
    pruning.after += pruning.keep.back().count_nonzero().item<int64_t>();
  }
  return pruning;
}

at::Tensor l1_subgradient(const at::Tensor& soft, double rate) { return rate * soft.sign(); }

at::Tensor random_mask(const at::Tensor& like, double rate, int64_t round,
                       at::Generator generator) {
  const auto count = static_cast<double>(like.numel());
  const auto gone =
      static_cast<int64_t>(count * (1 - std::pow(1 - rate, static_cast<double>(round + 1))));
  const at::Tensor order = torch::randperm(like.numel(), generator, at::kLong);
  const at::Tensor mask = torch::ones({like.numel()}, like.options().requires_grad(false));
  mask.index_fill_(0, order.narrow(0, 0, gone), 0);
  return mask.view(like.sizes());
}

}  // namespace tessera::ugs
