#include "tessera/systems/zoo_tuning/model.h"

#include <ATen/ATen.h>
#include <torch/types.h>

#include "tessera/core/error.h"
#include "tessera/nn/convnet/names.h"
#include "tessera/ops/product.h"
#include "tessera/systems/zoo_tuning/baselines.h"
#include "tessera/systems/zoo_tuning/zoo.h"

namespace tessera::zoo_tuning {
namespace {

constexpr const char* kFeatures = "f_net";
constexpr const char* kHead = "c_net";

nn::Mode mode_of(const torch::nn::Module& module) {
  return module.is_training() ? nn::Mode::kTrain : nn::Mode::kEvaluate;
}

ZooConvOptions layer_options(const ZooConfig& config) {
  const bool is_linear = *config.layer == "zoo_linear";
  const int64_t kernel = is_linear ? 1 : config.kernel_size;
  return {.in_channels = config.in_channels,
          .out_channels = config.out_channels,
          .kernel = kernel,
          .geometry = {.stride = is_linear ? 1 : config.stride,
                       .padding = is_linear ? 0 : config.padding,
                       .dilation = is_linear ? 1 : config.dilation,
                       .groups = is_linear ? 1 : config.groups},
          .has_bias = config.bias,
          .num_sources = config.num_sources,
          .is_aligned = config.align && (kernel > 1 || config.align_all),
          .is_lite = config.lite,
          .lite_momentum = config.lite_momentum};
}

torch::nn::Module& child(torch::nn::Module& owner, const char* name) {
  return *owner.register_module(name, std::make_shared<torch::nn::Module>(name));
}

void add_buffers(const TensorMap& buffers, TensorMap& outputs) {
  for (const auto& [name, tensor] : buffers) outputs.set("buffer/" + name + "_after", tensor);
}

TensorMap buffers_of(const torch::nn::Module& module) {
  TensorMap buffers;
  for (const auto& item : module.named_buffers()) buffers.set(item.key(), item.value());
  return buffers;
}

}  // namespace

void SourcedModel::start_without(const std::string& path) {
  missing_ = path;
  version_ = parameters().front()._version();
}

void SourcedModel::check_start() const {
  if (missing_.empty() || !is_training() || parameters().front()._version() != version_) return;
  fail<Io>({.where = "zoo_tuning",
            .rule = "the source " + missing_ + " is there when a training begins",
            .got = "no such file",
            .next = "Train the sources first, and name them in model.sources.",
            .id = "T-ZOO-24"});
}

Head::Head(int64_t features, int64_t classes, torch::nn::Module& owner)
    : weight_(owner.register_parameter("weight", at::empty({classes, features}).normal_(0, 0.01))),
      bias_(owner.register_parameter("bias", at::zeros({classes}))) {}

at::Tensor Head::forward(const at::Tensor& features) const {
  return ops::affine(features, weight_, bias_);
}

ZooLayer::ZooLayer(const ZooConfig& config)
    : config_(config), conv_(layer_options(config), *this) {}

TensorMap ZooLayer::run(const TensorMap& inputs) {
  const at::Tensor& x = inputs.at("x");
  const bool is_matrix = x.dim() == 2 && *config_.layer == "zoo_linear";
  if (!is_matrix && x.dim() != 4) {
    fail<InvalidArgument>({.where = "zoo_tuning",
                           .rule = "x is (B, " + std::to_string(config_.in_channels) +
                                   ", H, W), or (B, I) of a zoo_linear",
                           .got = c10::str(x.sizes()),
                           .id = "T-ZOO-10"});
  }
  const at::Tensor maps = is_matrix ? x.unsqueeze(2).unsqueeze(3) : x;
  const auto [y, gates] = conv_.forward(maps, mode_of(*this), /*wants_gates=*/true);
  TensorMap outputs{{"y", is_matrix ? y.flatten(1) : y}, {"gates", gates}};
  if (is_training()) add_buffers(buffers_of(*this), outputs);
  return outputs;
}

ZooModel::ZooModel(const ZooConfig& config) : config_(config) {
  const bool has_head = config.num_classes && !config.block;
  nn::Network features = feature_network(config);
  const int64_t width = nn::output_shape(features).elements();
  net_.emplace(std::move(features), config, has_head ? child(*this, kFeatures) : *this);
  if (has_head) head_.emplace(width, *config.num_classes, child(*this, kHead));
}

TensorMap ZooModel::run(const TensorMap& inputs) {
  check_start();
  const at::Tensor out = net_->forward(inputs.at("x"), mode_of(*this));
  TensorMap outputs{{config_.block ? "y" : "features", out}};
  if (head_) outputs.set("logits", head_->forward(out));
  if (is_training()) {
    add_buffers(buffers_of(*this), outputs);
    add_buffers(net_->batch_counters().prefixed(head_ ? std::string(kFeatures) + "." : ""),
                outputs);
  }
  return outputs;
}

TensorMap ZooModel::predict(const TensorMap& inputs) {
  const std::vector<std::string> untrained = net_->untrained();
  if (!untrained.empty()) {
    fail<InvalidArgument>(
        {.where = "zoo_tuning",
         .rule = "a lite model has trained before it predicts",
         .got = "averages of gates that are 0, of " + untrained.front() + " first",
         .next = "Train it: evaluation uses these averages.",
         .id = "T-ZOO-13"});
  }
  return run(inputs);
}

nn::WeightedNetwork ZooModel::merged() const {
  nn::WeightedNetwork plain = net_->folded();
  if (!head_) return plain;
  plain.network = plain_network(config_);
  const std::string& classifier = plain.network.layers.back().name;
  plain.weights.set(classifier + ".weight", head_->weight().detach().clone());
  if (plain.network.layers.back().has_bias) {
    plain.weights.set(classifier + ".bias", head_->bias().detach().clone());
  }
  nn::check_weights(plain.network, plain.weights);
  return plain;
}

std::shared_ptr<Model> make_model(const ZooConfig& config) {
  config.validate();
  if (config.layer) return std::make_shared<ZooLayer>(config);
  if (config.method != "zoo") return make_baseline(config);
  auto model = std::make_shared<ZooModel>(config);
  if (config.sources.empty()) return model;
  const std::string missing = first_missing(config.sources);
  if (!missing.empty()) {
    model->start_without(missing);
    return model;
  }
  const TensorMap start = weights_from_zoo(model->net().network(), read_sources(config.sources));
  TensorMap all = weights_of(*model);
  all.merge(config.num_classes && !config.block ? start.prefixed(std::string(kFeatures) + ".")
                                                : start);
  load_weights(*model, all);
  return model;
}

TensorMap from_authors(const TensorMap& theirs) {
  return nn::without_prefix(nn::without_counters(theirs), "module.");
}

}  // namespace tessera::zoo_tuning
