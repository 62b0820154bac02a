#include "tessera/systems/folded_cnn/model.h"

#include <ATen/ATen.h>

#include "tessera/core/error.h"
#include "tessera/nn/convnet/init.h"
#include "tessera/nn/convnet/names.h"
#include "tessera/systems/folded_cnn/fold_queue.h"

namespace tessera::folded_cnn {
namespace {

[[noreturn]] void refuse(const std::string& rule, const std::string& got, const char* id) {
  fail<InvalidArgument>({.where = "folded_cnn", .rule = rule, .got = got, .id = id});
}

void check_classes(const at::Tensor& target, int64_t num_classes) {
  if (target.numel() == 0) return;
  const auto [low, high] = at::aminmax(target);
  if (low.item<int64_t>() < 0 || high.item<int64_t>() >= num_classes) {
    refuse("classes lie in [0, " + std::to_string(num_classes) + ")",
           std::to_string(low.item<int64_t>()) + " … " + std::to_string(high.item<int64_t>()),
           "T-FCNN-13");
  }
}

}  // namespace

FoldedCnn::FoldedCnn(const FoldedCnnConfig& config)
    : config_(config), net_(folded_cnn::network(config), *this) {
  const at::NoGradGuard no_grad;
  load_weights(*this, nn::draw_weights(network(), nn::Initialisation::kXavierRelu));
}

nn::WeightedNetwork FoldedCnn::merged() const { return {network(), weights_of(*this)}; }

at::Tensor FoldedCnn::forward_folded(const at::Tensor& folded) const {
  return net_.forward(folded, is_training() ? nn::Mode::kTrain : nn::Mode::kEvaluate);
}

FoldedCnn::Outputs FoldedCnn::forward(const at::Tensor& images, Remainder remainder) const {
  const nn::Shape& in = network().input;
  const int64_t channels = in.channels / config_.fold;
  const bool fits = images.dim() == 4 && images.size(1) == channels &&
                    images.size(2) == in.height && images.size(3) == in.width &&
                    images.is_floating_point();
  if (!fits) {
    refuse("images are floats (B, " + std::to_string(channels) + ", " + std::to_string(in.height) +
               ", " + std::to_string(in.width) + ")",
           c10::str(images.scalar_type(), " ", images.sizes()), "T-FCNN-11");
  }
  const at::Tensor raw = forward_folded(fold_images(images, config_.fold, remainder));
  const int64_t kept = num_kept(images.size(0), config_.fold, remainder);
  return {.raw = raw, .logits = unfold_outputs(raw, config_.fold).narrow(0, 0, kept)};
}

TensorMap FoldedCnn::run(const TensorMap& inputs) {
  const at::Tensor& images = inputs.at("images");
  const bool pads = config_.remainder == "pad" && !is_training();
  const Outputs out = forward(images, pads ? Remainder::kPad : Remainder::kDrop);
  TensorMap outputs{{"raw", out.raw}, {"logits", out.logits}};
  if (const at::Tensor* target = inputs.find("target")) {
    if (target->dim() < 1 || target->size(0) < out.logits.size(0)) {
      refuse("there is a target for each of the " + std::to_string(images.size(0)) + " images",
             c10::str(target->sizes()), "T-FCNN-12");
    }
    // Held-out images have classes alone, also under a teacher.
    const bool is_taught = config_.loss == "mse_logits" && is_training();
    const std::string loss =
        is_taught || target->is_floating_point() ? "mse_logits" : "cross_entropy";
    outputs.set(loss, loss_of(loss, out.logits, target->narrow(0, 0, out.logits.size(0))));
  }
  if (is_training()) {
    for (const auto& item : named_buffers()) {
      outputs.set("buffer_after/" + item.key(), item.value());
    }
  }
  return outputs;
}

TensorMap FoldedCnn::predict(const TensorMap& inputs) {
  return {{"logits", classify_through_queue(*this, inputs.at("images"))}};
}

at::Tensor loss_of(const std::string& loss, const at::Tensor& logits, const at::Tensor& target) {
  if (loss == "mse_logits") {
    if (target.sizes() != logits.sizes() || !target.is_floating_point()) {
      refuse("mse_logits needs a teacher's logits " + c10::str(logits.sizes()),
             c10::str(target.scalar_type(), " ", target.sizes()), "T-FCNN-14");
    }
    return at::mse_loss(logits, target);
  }
  if (target.scalar_type() != at::kLong || target.sizes() != logits.sizes().slice(0, 1)) {
    refuse("cross_entropy needs int64 classes of " + std::to_string(logits.size(0)) + " images",
           c10::str(target.scalar_type(), " ", target.sizes()), "T-FCNN-12");
  }
  if (target.is_cpu()) check_classes(target, logits.size(1));
  return at::cross_entropy_loss(logits, target);
}

std::shared_ptr<FoldedCnn> make_model(const FoldedCnnConfig& config) {
  config.validate();
  return std::make_shared<FoldedCnn>(config);
}

TensorMap from_authors(const TensorMap& theirs) {
  return nn::without_prefix(nn::without_counters(theirs), "module.");
}

}  // namespace tessera::folded_cnn
