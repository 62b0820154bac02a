#include "tessera/nn/convnet/one_pass.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "tessera/nn/convnet/fused_conv.h"
#include "tessera/nn/convnet/methods.h"
#include "tessera/ops/max_pool.h"

namespace tessera::nn {

OnePassConvs::OnePassConvs(const Network& network)
    : network_(network), plans_(network.layers.size()), kernels_(network.layers.size()) {
  for (size_t i = 0; i < network.layers.size(); ++i) {
    if (network.layers[i].kind == LayerKind::kConv) plan_conv(i);
  }
}

size_t OnePassConvs::only_reader(size_t index) const {
  const std::vector<std::string> readers = consumers(network_, network_.layers[index].name);
  return readers.size() == 1 ? network_.find(readers.front()) : kNone;
}

void OnePassConvs::plan_conv(size_t index) {
  Plan& conv = plans_[index];
  conv.is_conv = true;
  size_t next = only_reader(index);
  if (next != kNone && network_.layers[next].kind == LayerKind::kBatchNorm) {
    conv.norm = next;
    plans_[next].passes = 0;
    next = only_reader(next);
  }
  if (next != kNone && network_.layers[next].kind == LayerKind::kAdd && plan_sum(index, next)) {
    next = only_reader(next);
  }
  if (next == kNone) return;
  const Layer& after = network_.layers[next];
  if (after.kind == LayerKind::kActivation && after.activation == ops::Activation::kRelu) {
    conv.has_relu = true;
    plans_[next].passes = 0;
  }
}

bool OnePassConvs::plan_sum(size_t index, size_t sum) {
  Plan& conv = plans_[index];
  const std::string& own = network_.layers[conv.norm == kNone ? index : conv.norm].name;
  const std::vector<std::string>& branches = network_.layers[sum].inputs;
  if (branches.size() != 2 || network_.layers[index].groups != 1) return false;
  const size_t place = branches[0] == own ? 0 : 1;
  const std::string& other = branches[1 - place];
  // The branch that is computed last adds the other one, which is there by then.
  if (other == kInput || network_.find(other) >= index) return false;
  conv.other = network_.find(other);
  plans_[conv.other].is_awaited = true;
  plans_[sum].passes = place;
  return true;
}

at::Tensor OnePassConvs::Pass::operator()(size_t index, std::span<const at::Tensor> inputs) {
  at::Tensor y = value(index, inputs);
  if (convs_.plans_[index].is_awaited) waiting_[index] = y;
  return y;
}

at::Tensor OnePassConvs::Pass::value(size_t index, std::span<const at::Tensor> inputs) {
  const Plan& plan = convs_.plans_[index];
  const Layer& layer = convs_.network_.layers[index];
  if (plan.passes != kNone) return inputs[plan.passes];
  if (plan.is_conv) {
    const LayerTensors kernel = convs_.kernel(index, tensors_, inputs.front());
    const at::Tensor other = plan.other == kNone ? at::Tensor() : std::move(waiting_[plan.other]);
    return fused_conv(layer, inputs.front(), kernel.weight, kernel.bias, other, plan.has_relu);
  }
  if (layer.kind == LayerKind::kMaxPool) {
    return ops::max_pool(inputs.front(), layer.kernel, layer.stride, layer.padding);
  }
  return apply(layer, tensors_[index], inputs, Mode::kEvaluate);
}

OnePassConvs::Seen::Seen(const at::Tensor& tensor)
    : storage(tensor.storage().getWeakStorageImpl()),
      version(tensor.is_inference() ? 0 : static_cast<int64_t>(tensor._version())) {}

bool OnePassConvs::Seen::operator==(const Seen& other) const {
  return storage == other.storage && version == other.version;
}

LayerTensors OnePassConvs::kernel(size_t index, std::span<const LayerTensors> tensors,
                                  const at::Tensor& x) {
  const LayerTensors& own = tensors[index];
  const size_t norm = plans_[index].norm;
  std::vector<Seen> now;
  const auto see = [&](const LayerTensors& of) {
    for (const at::Tensor& tensor : {of.weight, of.bias, of.running_mean, of.running_var}) {
      if (tensor.defined()) now.emplace_back(tensor);
    }
  };
  see(own);
  if (norm != kNone) see(tensors[norm]);

  const std::lock_guard lock(mutex_);
  Kernel& kept = kernels_[index];
  // A layout for many images serves few; for more than it was made for, it is made again.
  if (kept.made_from == now && kept.images >= x.size(0)) return kept.made;
  const at::NoGradGuard no_grad;
  LayerTensors made{.weight = own.weight, .bias = own.bias};
  if (norm != kNone) made = with_norm(own, tensors[norm], network_.layers[norm].eps);
  made.weight = packed_kernel(network_.layers[index], made.weight, x.sizes());
  kept = {.made_from = std::move(now), .made = made, .images = x.size(0)};
  return made;
}

void OnePassConvs::forget() {
  const std::lock_guard lock(mutex_);
  kernels_.assign(kernels_.size(), {});
}

}  // namespace tessera::nn
