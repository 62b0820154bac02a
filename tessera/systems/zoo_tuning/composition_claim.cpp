#include "tessera/systems/zoo_tuning/composition_claim.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "tessera/nn/convnet/fold.h"
#include "tessera/nn/convnet/mergeable.h"
#include "tessera/systems/network_method.h"
#include "tessera/systems/zoo_tuning/transfer_claim.h"

namespace tessera::zoo_tuning {
namespace {

constexpr int64_t kFold = 2, kTimeSteps = 32;
constexpr double kAllowedLoss = 4;

/// Neurons need average pools, so that the sources have them from the start.
constexpr const char* kPools = "model.pool=average";

/// A lite network of two sources: digits, and the same network on turned ones.
TrainOutcome tuned(Lab& lab) {
  const std::string first = keep_weights(lab.train("zoo_tuning/digits_source", {kPools}));
  const Json ancestor = Json::array({first});
  const std::string second =
      keep_weights(lab.train("zoo_tuning/digits_source",
                             {kPools, "model.sources=" + ancestor.dump(), "model.num_sources=1",
                              "task.labels=rotation", "model.num_classes=4", "train.steps=200"}));
  const Json zoo = Json::array({first, second});
  return lab.train("zoo_tuning/digits_target",
                   {kPools, "model.sources=" + zoo.dump(), "model.num_sources=2", "model.lite=true",
                    "model.downsample_lite=true"});
}

TensorMap examples_of(const Task& task, Split split, int64_t count) {
  std::vector<int64_t> examples(static_cast<size_t>(std::min(count, task.size(split))));
  std::iota(examples.begin(), examples.end(), 0);
  BatchContext context{split, at::detail::createCPUGenerator(0)};
  return task.batch(examples, context);
}

at::Tensor grouped(const at::Tensor& images) {
  return images.reshape(
      {images.size(0) / kFold, kFold * images.size(1), images.size(2), images.size(3)});
}

}  // namespace

ClaimResult tuned_folded_spiking(Lab& lab) {
  const TrainOutcome outcome = tuned(lab);
  const TensorMap test = examples_of(*outcome.task, Split::kTest, 500);
  const int64_t count = test.at("x").size(0) / kFold * kFold;
  const at::Tensor x = test.at("x").narrow(0, 0, count), labels = test.at("labels");
  const auto accuracy = [&](const at::Tensor& logits) {
    const at::Tensor hits =
        logits.reshape({count, -1}).argmax(1).eq(labels.narrow(0, 0, count)).to(at::kDouble);
    return 100 * hits.mean().item<double>();
  };

  const at::NoGradGuard no_grad;
  const double lite = accuracy(outcome.model->run({{"x", x}}).at("logits"));
  const nn::WeightedNetwork merged =
      nn::fold_batch_norm(dynamic_cast<const nn::Mergeable&>(*outcome.model).merged());
  const double plain = accuracy(nn::evaluate(merged.network, merged.weights, x));
  const nn::WeightedNetwork folded{
      nn::fold(merged.network, {.fold = kFold, .width_multiplier = static_cast<double>(kFold)}),
      nn::side_by_side_weights(merged.network, merged.weights, kFold)};
  const double pairs = accuracy(nn::evaluate(folded.network, folded.weights, grouped(x)));

  lab.progress("calibrating to spikes", 0.5);
  const at::Tensor images = examples_of(*outcome.task, Split::kTrain, 100).at("x");
  const std::vector<at::Tensor> batches = {grouped(images)};
  const auto spiking = network_methods().at("spikes").apply(
      folded, batches, {{"time_steps", kTimeSteps}, {"calib", "potential"}});
  const double spikes = accuracy(spiking->logits(grouped(x)));
  return {.ours = spikes,
          .baseline = lite,
          .holds = plain == lite && pairs == lite && lite - spikes <= kAllowedLoss,
          .detail = fmt::format(
              "Rule: merging and grouping {} images change no class, and with {} time steps at "
              "most {} points are lost. Seen on {} test images: lite {:.1f}, merged {:.1f}, "
              "folded {:.1f}, spiking {:.1f} %.",
              kFold, kTimeSteps, kAllowedLoss, count, lite, plain, pairs, spikes),
          .seeds = {0}};
}

}  // namespace tessera::zoo_tuning
