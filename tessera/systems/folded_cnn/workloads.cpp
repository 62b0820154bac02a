#include "tessera/systems/folded_cnn/workloads.h"

#include <fmt/format.h>
#include <torch/types.h>

#include "tessera/nn/convnet/cost.h"
#include "tessera/systems/folded_cnn/model.h"
#include "tessera/systems/folded_cnn/precision.h"

namespace tessera::folded_cnn {
namespace {

FoldedCnnConfig config_of(const WorkloadShape& shape, int64_t fold) {
  Json values = shape.config;
  values["fold"] = fold;
  return FoldedCnnConfig::of(values);
}

WorkloadInstance make(const WorkloadShape& shape, int64_t fold) {
  const FoldedCnnConfig config = config_of(shape, fold);
  torch::manual_seed(0);
  auto generator = at::detail::createCPUGenerator(0);
  const auto images = [&](int64_t count) {
    return torch::rand({count, config.in_channels, config.image_height, config.image_width},
                       generator);
  };
  const at::Tensor target =
      torch::randint(config.num_classes, {shape.train_images}, generator, at::kLong);
  return {.model = make_model(config),
          .inputs = {{"images", images(shape.forward_images)}},
          .train_inputs = {{"images", images(shape.train_images)}, {"target", target}},
          .loss = [](const TensorMap& outputs,
                     const TensorMap&) { return outputs.at("cross_entropy"); },
          .optimizer = {{"name", "adam"}, {"lr", 1e-4}, {"weight_decay", 1e-5}}};
}

/// The same network in a lower precision, with how near its logits come. Weights are as drawn, so
/// that classes are closer together than a trained network's.
template <class Lower>
WorkloadInstance make_variant(const WorkloadShape& shape, int64_t fold, const Lower& lower) {
  WorkloadInstance instance = make(shape, fold);
  const at::NoGradGuard no_grad;
  auto& model = dynamic_cast<FoldedCnn&>(*instance.model);
  model.eval();
  const at::Tensor& images = instance.inputs.at("images");
  const std::shared_ptr<Model> variant = lower(model, images);
  const Agreement here = agreement(variant->run(instance.inputs).at("logits"),
                                   model.run(instance.inputs).at("logits"));
  const std::string text = fmt::format("same class {:.1f} %, logits off by {:.2f} %",
                                       here.same_class_percent, 100 * here.relative_error);
  return {.model = variant,
          .inputs = instance.inputs,
          .remarks = {{"accuracy", text},
                      {"same_class_percent", here.same_class_percent},
                      {"relative_error", here.relative_error}}};
}

std::vector<WorkloadVariant> variants(const WorkloadShape& shape, int64_t fold) {
  std::vector<WorkloadVariant> list = {
      {"bf16", [shape, fold] {
         return make_variant(shape, fold, [](const FoldedCnn& model, const at::Tensor&) {
           return in_bfloat16(model);
         });
       }}};
  // Sums of branches have no integer form here.
  if (!nn::runs_int8_conv() || shape.name == "resnet18") return list;
  list.push_back({"int8", [shape, fold] { return make_variant(shape, fold, in_int8); }});
  return list;
}

Workload workload(const WorkloadShape& shape, int64_t fold) {
  const std::string name = shape.name + "_f" + std::to_string(fold);
  const nn::NetworkCost cost = nn::cost(network(config_of(shape, fold)));
  const auto inputs = [&](int64_t images) {
    return static_cast<double>(images) / static_cast<double>(fold);
  };
  // Backward: the gradient by the weights of every layer, and by the input of all but the first.
  const auto ops = static_cast<double>(cost.ops), first = static_cast<double>(cost.layers[0].ops);
  constexpr double kFloatBytes = 4;
  return {.name = name,
          .summary = shape.name + " at fold " + std::to_string(fold) + ", " +
                     std::to_string(shape.forward_images) + " images forward, " +
                     std::to_string(shape.train_images) + " in a training step",
          .forward_flops = ops * inputs(shape.forward_images),
          .train_step_flops = (3 * ops - first) * inputs(shape.train_images),
          .forward_bytes = nn::moved_bytes(cost, inputs(shape.forward_images), kFloatBytes),
          .make = [shape, fold] { return make(shape, fold); },
          .peer_script = "folded_cnn.py",
          .peer_arguments = {{"--workload", name}, {"--workload", name, "--compile"}},
          .variants = variants(shape, fold)};
}

}  // namespace

const std::vector<WorkloadShape>& workload_shapes() {
  static const std::vector<WorkloadShape> shapes = {
      {"game", {{"preset", "lol/goldnumber-fraction"}}, 240, 48},
      {"taipei", {{"preset", "taipei"}}, 48, 24},
      {"resnet18", {{"arch", "folded_resnet18"}}, 12, 12}};
  return shapes;
}

std::vector<Workload> workloads() {
  std::vector<Workload> list;
  for (const WorkloadShape& shape : workload_shapes()) {
    for (int64_t fold = 1; fold <= 4; ++fold) list.push_back(workload(shape, fold));
  }
  return list;
}

}  // namespace tessera::folded_cnn
