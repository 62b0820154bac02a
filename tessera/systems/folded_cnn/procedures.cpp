#include "tessera/systems/folded_cnn/procedures.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "tessera/core/error.h"
#include "tessera/nn/convnet/cost.h"
#include "tessera/nn/convnet/fold.h"
#include "tessera/systems/folded_cnn/block_diagonal.h"
#include "tessera/systems/folded_cnn/curriculum.h"
#include "tessera/systems/folded_cnn/model.h"

namespace tessera::folded_cnn {
namespace {

at::Tensor long_tensor(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

/// The argument `key`; throws InvalidArgument where it is absent or of another type.
template <class T>
T argument(const Json& config, const char* key, const char* procedure) {
  try {
    return config.at(key).get<T>();
  } catch (const Json::exception&) {
    fail<InvalidArgument>({.where = procedure,
                           .rule = std::string("the configuration has a value for \"") + key + "\"",
                           .got = config.contains(key) ? config[key].dump() : "none",
                           .id = "T-FCNN-31"});
  }
}

template <class T>
T argument_or(const Json& config, const char* key, const char* procedure, T otherwise) {
  return config.contains(key) && !config[key].is_null() ? argument<T>(config, key, procedure)
                                                        : otherwise;
}

/// The keys of a procedure's configuration that are the model's.
FoldedCnnConfig model_config(const Json& config) {
  FoldedCnnConfig known;
  const Json fields = write_config(known);
  Json values = Json::object();
  for (const auto& [key, value] : config.items()) {
    if (fields.contains(key)) values[key] = value;
  }
  return FoldedCnnConfig::of(values);
}

TensorMap fold_unfold(const Json& config, const TensorMap& inputs) {
  const auto folds = argument<std::vector<int64_t>>(config, "folds", "fold_unfold");
  TensorMap outputs;
  for (const int64_t fold : folds) {
    const std::string prefix = "fold" + std::to_string(fold) + "/";
    const at::Tensor folded = fold_images(inputs.at("images"), fold, Remainder::kDrop);
    outputs.set(prefix + "folded", folded);
    outputs.set(prefix + "num_images", at::scalar_tensor(folded.size(0) * fold, at::kLong));
    const at::Tensor* raw = inputs.find(prefix + "raw_output");
    if (!raw) continue;
    const at::Tensor logits = unfold_outputs(*raw, fold);
    outputs.set(prefix + "logits", logits);
    if (const at::Tensor* target = inputs.find("target")) {
      const at::Tensor kept = target->narrow(0, 0, logits.size(0));
      outputs.set(prefix + "cross_entropy", loss_of("cross_entropy", logits, kept));
      outputs.set(prefix + "top1_2_5_10_hits", long_tensor(top_hits(logits, kept, {1, 2, 5, 10})));
    }
  }
  return outputs;
}

/// Rows in the order of computation, intensities at each batch, both FLOP counters.
/// images_per_input divides the batches.
TensorMap intensity_of(const nn::Network& network, const std::vector<int64_t>& batches,
                       double bytes, int64_t images_per_input, bool counts_linear_twice) {
  const nn::NetworkCost cost = nn::cost(network);
  std::vector<double> rows;
  std::vector<int64_t> channels;
  const std::vector<nn::LayerShapes> shapes = nn::infer_shapes(network);
  for (const nn::LayerCost& layer : cost.layers) {
    for (const int64_t value :
         {layer.ops, layer.input_elements, layer.output_elements, layer.weight_elements}) {
      rows.push_back(static_cast<double>(value));
    }
    channels.push_back(shapes[layer.layer].in.channels);
    channels.push_back(shapes[layer.layer].out.channels);
  }
  TensorMap outputs{
      {"layers", at::tensor(rows, at::kDouble).view({-1, 4})},
      {"layer_channels", long_tensor(channels).view({-1, 2})},
      {"flops", at::scalar_tensor(cost.flops, at::kLong)},
      {"flops_published",
       at::scalar_tensor(cost.flops + (counts_linear_twice ? cost.linear_flops : 0), at::kLong)}};
  for (const int64_t batch : batches) {
    const double intensity = nn::arithmetic_intensity(
        cost, static_cast<double>(batch) / static_cast<double>(images_per_input), bytes);
    outputs.set("intensity_batch" + std::to_string(batch),
                at::scalar_tensor(intensity, at::kDouble));
  }
  return outputs;
}

TensorMap arithmetic_intensity(const Json& config, const TensorMap&) {
  constexpr const char* kName = "arithmetic_intensity";
  const auto presets = argument<std::vector<std::string>>(config, "presets", kName);
  const auto folds = argument_or<std::vector<int64_t>>(config, "folds", kName, {1});
  const auto batches = argument_or<std::vector<int64_t>>(config, "batches", kName, {1024});
  const auto bytes = argument_or<double>(config, "bytes_per_element", kName, 2.0);
  const auto phi = argument_or<int64_t>(config, "compound_phi", kName, 0);
  TensorMap outputs;
  for (const std::string& preset : presets) {
    std::string name = preset;
    std::ranges::replace(name, '/', '.');
    const auto add = [&](const std::string& variant, const Json& more) {
      Json values = {{"preset", preset}};
      values.update(more);
      const FoldedCnnConfig model = FoldedCnnConfig::of(values);
      // The published map of the games was made by a counter that took linear layers twice.
      const bool counts_twice = model.arch == "game_cnn" && model.compound_phi == 0;
      outputs.merge(
          intensity_of(network(model), batches, bytes, images_per_input(model), counts_twice)
              .prefixed(name + "/" + variant + "/"));
    };
    for (const int64_t fold : folds) add("fold" + std::to_string(fold), {{"fold", fold}});
    if (phi > 0) add("compound" + std::to_string(phi), {{"compound_phi", phi}});
  }
  return outputs;
}

TensorMap curriculum(const Json& config, const TensorMap& inputs) {
  constexpr const char* kName = "curriculum";
  const auto num_classes = argument<int64_t>(config, "num_classes", kName);
  const auto fold = argument_or<int64_t>(config, "fold", kName, 1);
  const auto epochs = argument<int64_t>(config, "epochs", kName);
  Json given = Json::object();
  for (const char* key : {"init_classes", "steps"}) {
    if (config.contains(key) && !config[key].is_null()) given[key] = config[key];
  }
  const bool is_slow = config.value("preset", Json()) == "lol/timer-minutes" && fold == 4;
  const CurriculumRules rules =
      CurriculumRules::of(given, CurriculumRules::published(num_classes, fold, is_slow));

  const at::Tensor labels = inputs.at("labels").to(at::kLong).contiguous();
  const auto [classes, num_present] =
      ranked({labels.const_data_ptr<int64_t>(), static_cast<size_t>(labels.numel())});
  Curriculum state(rules, num_present);
  std::vector<int64_t> in_use, next, samples, order;
  for (int64_t epoch = 0; epoch < epochs; ++epoch) {
    order = samples_in_use(classes, state.classes_in_use());
    in_use.push_back(state.classes_in_use());
    next.push_back(state.next_step_epoch());
    samples.push_back(static_cast<int64_t>(order.size()));
    state.advance();
  }
  // After the last epoch, which may have added classes.
  order = samples_in_use(classes, state.classes_in_use());
  return {{"classes_in_use", long_tensor(in_use)},
          {"next_step_epoch", long_tensor(next)},
          {"samples_in_use", long_tensor(samples)},
          {"final_sample_order", long_tensor(order)}};
}

TensorMap block_diagonal(const Json& config, const TensorMap& inputs) {
  const FoldedCnnConfig model = model_config(config);
  const nn::Network original = original_network(model);
  const TensorMap weights = [&] {
    TensorMap all = inputs.with_prefix("weight/");
    all.merge(inputs.with_prefix("buffer/"));
    return from_authors(all);
  }();
  const nn::Network big =
      nn::fold(original, {.fold = model.fold, .width_multiplier = static_cast<double>(model.fold)});
  const TensorMap blocks = block_diagonal_weights(original, weights, model.fold);

  const at::Tensor& images = inputs.at("images");
  const at::Tensor folded = fold_images(images, model.fold, Remainder::kDrop);
  TensorMap outputs{
      {"logits_original",
       nn::evaluate(original, weights, images.narrow(0, 0, folded.size(0) * model.fold))},
      {"logits_block_diagonal", unfold_outputs(nn::evaluate(big, blocks, folded), model.fold)}};
  std::string head = original.layers[nn::output_layer(original)].name;
  const at::Tensor sum = blocks.at(head + ".weight").sum();
  std::ranges::replace(head, '.', '_');
  outputs.set("block_diagonal/" + head + "_weight_sum", sum);
  return outputs;
}

}  // namespace

std::vector<Procedure> procedures() {
  return {{.name = "fold_unfold",
           .summary = "grouping of images, and loss and hits of the outputs given",
           .run = fold_unfold},
          {.name = "arithmetic_intensity",
           .summary = "operations and traffic of each layer, intensities, FLOP counts",
           .run = arithmetic_intensity},
          {.name = "curriculum",
           .summary = "classes and samples in use at each epoch",
           .run = curriculum},
          {.name = "block_diagonal",
           .summary = "a folded network that is f copies of the original",
           .run = block_diagonal}};
}

}  // namespace tessera::folded_cnn
