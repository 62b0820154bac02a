#include "tessera/systems/network_method.h"

#include <ATen/ATen.h>

#include "tessera/core/error.h"

namespace tessera {
namespace {

class FormModel final : public Model {
 public:
  explicit FormModel(std::unique_ptr<NetworkForm> form)
      : form_(std::move(form)), plain_(form_->weighted()) {}

  TensorMap run(const TensorMap& inputs) override {
    const at::Tensor* found = inputs.find("x");
    const at::Tensor& images = found ? *found : inputs.at("images");
    const at::TensorOptions like = plain_.weights.begin()->second.options();
    const at::Tensor x = grouped(images.to(like), plain_.network.images_per_input);
    const at::Tensor logits =
        form_->logits(x).reshape({x.size(0) * plain_.network.images_per_input, -1});
    TensorMap outputs{
        {"logits", (logits.narrow(0, 0, images.size(0)) / form_->scale()).to(images.device())}};
    const at::Tensor* target = inputs.find("target");
    if (target && target->scalar_type() == at::kLong) {
      outputs.set("cross_entropy", at::cross_entropy_loss(outputs.at("logits"), *target));
    }
    return outputs;
  }

 private:
  std::unique_ptr<NetworkForm> form_;
  nn::WeightedNetwork plain_;
};

}  // namespace

at::Tensor grouped(const at::Tensor& images, int64_t per_input) {
  if (images.dim() != 4 || images.size(0) < 1) {
    fail<InvalidArgument>({.where = "network",
                           .rule = "images are (N, C, H, W) of at least one",
                           .got = c10::str(images.sizes()),
                           .id = "T-NET-13"});
  }
  const int64_t count = images.size(0), missing = (per_input - count % per_input) % per_input;
  const at::Tensor all =
      missing == 0
          ? images
          : at::cat({images, images.narrow(0, count - 1, 1).expand({missing, -1, -1, -1})});
  return all.reshape(
      {all.size(0) / per_input, per_input * images.size(1), images.size(2), images.size(3)});
}

std::shared_ptr<Model> model_of(std::unique_ptr<NetworkForm> form) {
  return std::make_shared<FormModel>(std::move(form));
}

}  // namespace tessera
