#include "tessera/systems/zoo_tuning/baselines.h"

#include <ATen/ATen.h>
#include <torch/types.h>

#include "tessera/io/tensor_file.h"
#include "tessera/nn/convnet/names.h"
#include "tessera/systems/zoo_tuning/zoo.h"

namespace tessera::zoo_tuning {
namespace {

/// The start of a plain network: a source's features and a fresh classifier, drawn as the head of
/// a Zoo-Tuned network is.
TensorMap start_of(const ZooConfig& config, const TensorMap& features) {
  TensorMap weights = features;
  const nn::Network network = plain_network(config);
  for (const nn::WeightSpec& spec : nn::weight_specs(network)) {
    if (weights.contains(spec.name)) continue;
    weights.set(spec.name, spec.name.ends_with("bias") ? at::zeros(spec.shape)
                                                       : at::empty(spec.shape).normal_(0, 0.01));
  }
  return weights;
}

/// The sources of the config; none where it names none, and where a file is missing, which the
/// model then says when it is first used.
template <class Baseline>
std::vector<TensorMap> sources_for(Baseline& model, const ZooConfig& config) {
  if (config.sources.empty()) return {};
  const std::string missing = first_missing(config.sources);
  if (missing.empty()) return read_sources(config.sources);
  model.start_without(missing);
  return {};
}

std::shared_ptr<PlainModel> make_plain(const ZooConfig& config) {
  auto model = std::make_shared<PlainModel>(config);
  const std::vector<TensorMap> sources = sources_for(*model, config);
  if (sources.empty()) return model;
  const nn::Network features = feature_network(config);
  load_weights(*model,
               start_of(config, config.method == "average"
                                    ? average_weights(features, sources)
                                    : weights_of_source(features, sources,
                                                        static_cast<size_t>(config.source))));
  return model;
}

std::shared_ptr<Ensemble> make_ensemble(const ZooConfig& config) {
  auto model = std::make_shared<Ensemble>(config);
  const std::vector<TensorMap> sources = sources_for(*model, config);
  if (sources.empty()) return model;
  const nn::Network features = feature_network(config);
  TensorMap all;
  for (size_t i = 0; i < sources.size(); ++i) {
    all.merge(start_of(config, weights_of_source(features, sources, i))
                  .prefixed("member" + std::to_string(i) + "."));
  }
  load_weights(*model, all);
  return model;
}

}  // namespace

PlainModel::PlainModel(const ZooConfig& config)
    : config_(config), net_(plain_network(config), *this) {}

void PlainModel::set_teacher(std::shared_ptr<Model> teacher) {
  teacher_ = std::move(teacher);
  teacher_->eval();
}

TensorMap PlainModel::run(const TensorMap& inputs) {
  check_start();
  const at::Tensor& x = inputs.at("x");
  const at::Tensor out = net_.forward(x, is_training() ? nn::Mode::kTrain : nn::Mode::kEvaluate);
  TensorMap outputs{{config_.num_classes ? "logits" : "features", out}};
  if (!teacher_ || !is_training()) return outputs;
  at::Tensor taught;
  {
    const at::NoGradGuard no_grad;
    if (teacher_->parameters().front().scalar_type() != x.scalar_type()) {
      teacher_->to(x.scalar_type());
    }
    taught = teacher_->run({{"x", x}}).at("logits");
  }
  const double tau = config_.temperature;
  const at::Tensor kl = at::kl_div(at::log_softmax(out / tau, 1), at::log_softmax(taught / tau, 1),
                                   at::Reduction::Sum, /*log_target=*/true);
  outputs.set("distillation",
              config_.distillation * tau * tau / static_cast<double>(x.size(0)) * kl);
  return outputs;
}

Ensemble::Ensemble(const ZooConfig& config) {
  const nn::Network network = plain_network(config);
  for (int64_t i = 0; i < config.num_sources; ++i) {
    members_.push_back(register_module("member" + std::to_string(i),
                                       std::make_shared<nn::ConvNetModule>(network)));
  }
}

TensorMap Ensemble::run(const TensorMap& inputs) {
  check_start();
  std::vector<at::Tensor> each;
  for (const auto& member : members_) each.push_back(member->forward(inputs.at("x")));
  const at::Tensor all = at::stack(each);
  return {{"logits", all.mean(0)}, {"logits_each", all}};
}

std::shared_ptr<Model> make_baseline(const ZooConfig& config) {
  if (config.method == "ensemble") return make_ensemble(config);
  const std::shared_ptr<PlainModel> model = make_plain(config);
  if (config.method != "distillation") return model;
  const std::string missing = first_missing({*config.teacher});
  if (!missing.empty()) {
    model->start_without(missing);
    return model;
  }
  ZooConfig taught = config;
  taught.method = "ensemble";
  taught.sources.clear();
  const auto teacher = std::make_shared<Ensemble>(taught);
  load_weights(*teacher, io::read_tensor_file(*config.teacher, io::Storage::kCopied).tensors);
  model->set_teacher(teacher);
  return model;
}

}  // namespace tessera::zoo_tuning
