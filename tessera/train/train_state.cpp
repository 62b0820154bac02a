#include "tessera/train/train_state.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

#include <limits>

#include "tessera/core/error.h"
#include "tessera/io/file.h"
#include "tessera/io/tensor_file.h"
#include "tessera/train/run_folder.h"

namespace tessera::train {
namespace {

// Of state.json. A reader of another version refuses instead of guessing.
constexpr int kVersion = 1;

std::string model_file(const std::string& folder) { return folder + "/model.safetensors"; }
std::string state_file(const std::string& folder) { return folder + "/state.safetensors"; }
std::string json_file(const std::string& folder) { return folder + "/state.json"; }

/// The default generators, which dropout draws from: the CPU's and that of the model's device.
std::vector<at::Generator> default_generators(const Model& model) {
  std::vector<at::Generator> generators = {at::globalContext().defaultGenerator(at::kCPU)};
  for (const at::Tensor& parameter : model.parameters()) {
    if (!parameter.is_cuda()) continue;
    generators.push_back(at::globalContext().defaultGenerator(parameter.device()));
    break;
  }
  return generators;
}

Json sums_of(const LossMean& mean) { return {{"sum", mean.sum}, {"count", mean.count}}; }
LossMean loss_mean_from(const Json& values) {
  return {.sum = values.at("sum").get<double>(), .count = values.at("count").get<int64_t>()};
}

Json numbers_of(const TrainState& state, const Loader& loader) {
  const Counters& c = state.counters;
  Json values = {{"version", kVersion},
                 {"step", c.step},
                 {"finished", c.is_finished},
                 {"loader", {{"epoch", loader.epoch()}, {"batches_taken", loader.batches_taken()}}},
                 {"evaluations_without_gain", c.evaluations_without_gain},
                 {"loss_since_evaluation", sums_of(c.since_evaluation)},
                 {"loss_since_log", sums_of(c.since_log)},
                 {"seconds", c.seconds},
                 {"threads", c.threads},
                 {"best", nullptr}};
  if (state.best) {
    values["best"] = {{"value", state.best->value},
                      {"step", state.best->step},
                      {"valid", to_json(state.best->valid)},
                      {"test", to_json(state.best->test)}};
  }
  return values;
}

TrainState state_from(const Json& values, const TensorMap& tensors) {
  TrainState state;
  state.counters = {
      .step = values.at("step").get<int64_t>(),
      .is_finished = values.at("finished").get<bool>(),
      .evaluations_without_gain = values.at("evaluations_without_gain").get<int64_t>(),
      .since_evaluation = loss_mean_from(values.at("loss_since_evaluation")),
      .since_log = loss_mean_from(values.at("loss_since_log")),
      .seconds = values.at("seconds").get<double>(),
      .threads = values.at("threads").get<int>()};
  if (const Json& best = values.at("best"); !best.is_null()) {
    state.best = Best{.value = metrics_from({{"value", best.at("value")}}).front().second,
                      .step = best.at("step").get<int64_t>(),
                      .valid = metrics_from(best.at("valid")),
                      .test = metrics_from(best.at("test")),
                      .weights = tensors.with_prefix("best/")};
  }
  return state;
}

}  // namespace

double LossMean::value() const {
  return count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(count);
}

void save_state(const TrainState& state, const TrainParts& parts, const std::string& folder) {
  TensorMap tensors = parts.optimizer.state().prefixed("optimizer/");
  if (parts.ema) tensors.merge(parts.ema->state().prefixed("ema/"));
  if (state.best) tensors.merge(state.best->weights.prefixed("best/"));
  tensors.merge(parts.rng.state().prefixed("rng/"));
  tensors.set("loader/generator", parts.loader.epoch_generator());
  const auto generators = default_generators(parts.model);
  for (size_t i = 0; i < generators.size(); ++i) {
    tensors.set("default_rng/" + std::to_string(i), generators[i].get_state());
  }
  io::write_tensor_file(model_file(folder), weights_of(parts.model));
  io::write_tensor_file(state_file(folder), tensors);
  io::write_atomically(json_file(folder),
                       std::string_view(numbers_of(state, parts.loader).dump(1) + "\n"));
}

TrainState load_state(const TrainParts& parts, const std::string& folder) {
  const Json values = Json::parse(io::read_text(json_file(folder)), nullptr, false);
  if (!values.is_object() || values.value("version", 0) != kVersion) {
    fail<BadFile>({.where = "checkpoint",
                   .rule = json_file(folder) + " is of version " + std::to_string(kVersion),
                   .got = values.is_object() ? values.value("version", Json()).dump() : "no object",
                   .next = "It was written by another version of Tessera, or changed by hand.",
                   .id = "T-CKPT-01"});
  }
  const TensorMap tensors = io::read_tensor_file(state_file(folder), io::Storage::kCopied).tensors;
  try {
    TrainState state = state_from(values, tensors);
    load_weights(parts.model,
                 io::read_tensor_file(model_file(folder), io::Storage::kCopied).tensors);
    parts.optimizer.restore(tensors.with_prefix("optimizer/"));
    if (parts.ema) parts.ema->restore(tensors.with_prefix("ema/"));
    parts.rng.restore(tensors.with_prefix("rng/"));
    const Json& loader = values.at("loader");
    parts.loader.restore(loader.at("epoch").get<int64_t>(),
                         loader.at("batches_taken").get<int64_t>(), tensors.at("loader/generator"));
    const auto generators = default_generators(parts.model);
    for (size_t i = 0; i < generators.size(); ++i) {
      at::Generator generator = generators[i];
      generator.set_state(tensors.at("default_rng/" + std::to_string(i)).contiguous());
    }
    return state;
  } catch (const Json::exception& error) {
    fail<BadFile>({.where = "checkpoint",
                   .rule = json_file(folder) + " holds the state of a training",
                   .got = error.what(),
                   .next = "It was written by another version of Tessera, or changed by hand.",
                   .id = "T-CKPT-02"});
  }
}

TensorMap best_weights(const std::string& folder) {
  TensorMap weights = io::read_tensor_file(model_file(folder), io::Storage::kCopied).tensors;
  const TensorMap state = io::read_tensor_file(state_file(folder), io::Storage::kCopied).tensors;
  const TensorMap best = state.with_prefix("best/");
  weights.merge(best.empty() ? state.with_prefix("ema/") : best);
  return weights;
}

}  // namespace tessera::train
