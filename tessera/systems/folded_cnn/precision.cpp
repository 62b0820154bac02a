#include "tessera/systems/folded_cnn/precision.h"

#include <ATen/ATen.h>

namespace tessera::folded_cnn {
namespace {

class Bfloat16Model final : public InferenceModel {
 public:
  explicit Bfloat16Model(const FoldedCnn& model)
      : InferenceModel(model.config()), model_(make_model(model.config())) {
    load_weights(*model_, weights_of(model));
    model_->to(at::kBFloat16);
    model_->eval();
  }

 protected:
  at::Tensor forward_folded(const at::Tensor& folded) const override {
    return model_->forward_folded(folded.to(at::kBFloat16)).to(at::kFloat);
  }

 private:
  std::shared_ptr<FoldedCnn> model_;
};

class Int8Model final : public InferenceModel {
 public:
  Int8Model(const FoldedCnn& model, const at::Tensor& images)
      : InferenceModel(model.config()),
        net_(model.net(), fold_images(images, model.config().fold, Remainder::kDrop)) {}

 protected:
  at::Tensor forward_folded(const at::Tensor& folded) const override {
    return net_.forward(folded);
  }

 private:
  nn::Int8Net net_;
};

}  // namespace

TensorMap InferenceModel::run(const TensorMap& inputs) {
  const at::NoGradGuard no_grad;
  const at::Tensor& images = inputs.at("images");
  const Remainder remainder = config_.remainder == "pad" ? Remainder::kPad : Remainder::kDrop;
  const at::Tensor raw = forward_folded(fold_images(images, config_.fold, remainder));
  const int64_t kept = num_kept(images.size(0), config_.fold, remainder);
  const at::Tensor logits = unfold_outputs(raw, config_.fold).narrow(0, 0, kept);
  TensorMap outputs{{"logits", logits}};
  if (const at::Tensor* target = inputs.find("target")) {
    const std::string loss = target->is_floating_point() ? "mse_logits" : "cross_entropy";
    outputs.set(loss, loss_of(loss, logits, target->narrow(0, 0, kept)));
  }
  return outputs;
}

std::shared_ptr<InferenceModel> in_bfloat16(const FoldedCnn& model) {
  return std::make_shared<Bfloat16Model>(model);
}

std::shared_ptr<InferenceModel> in_int8(const FoldedCnn& model, const at::Tensor& images) {
  return std::make_shared<Int8Model>(model, images);
}

Agreement agreement(const at::Tensor& logits, const at::Tensor& expected) {
  const at::Tensor same = logits.argmax(1).eq(expected.argmax(1)).to(at::kDouble).mean();
  const at::Tensor error = (logits - expected).norm() / expected.norm();
  return {.same_class_percent = 100 * same.item<double>(), .relative_error = error.item<double>()};
}

}  // namespace tessera::folded_cnn
