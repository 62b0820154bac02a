#include <ATen/ATen.h>

#include "cli/output.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "tessera/core/error.h"
#include "tessera/nn/convnet/mergeable.h"
#include "tessera/train/evaluate.h"

namespace tessera::cli {
namespace {

constexpr const char* kMethod = "spikes";
constexpr int64_t kBatch = 64, kFitted = 1024, kFitBatch = 32;

/// Training images as the network takes them, without repetition, in batches.
std::vector<at::Tensor> training_images(const Task& task, const train::Recipe& recipe,
                                        int64_t count, int64_t per_input) {
  const auto seed = static_cast<uint64_t>(recipe.train.seed);
  BatchContext context{Split::kTrain, Rng(seed).stream("snn convert")};
  const int64_t batch = std::min((kBatch + per_input - 1) / per_input * per_input, count);
  const int64_t size = task.size(Split::kTrain);
  if (size < count) {
    fail<InvalidArgument>({.where = "snn convert",
                           .rule = "there are --images training images",
                           .got = std::to_string(size) + " of " + std::to_string(count),
                           .next = "Lower --images.",
                           .id = "T-CLI-25"});
  }
  const at::Tensor order = at::randperm(size, context.generator, at::kLong);
  const int64_t* const examples = order.const_data_ptr<int64_t>();
  std::vector<at::Tensor> batches;
  for (int64_t begin = 0; begin < count; begin += batch) {
    const auto rows = static_cast<size_t>(std::min(batch, count - begin));
    const TensorMap made = task.batch({examples + begin, rows}, context);
    const at::Tensor* images = made.find("x");
    if (!images) images = &made.at("images");
    batches.push_back(grouped(images->to(train::dtype_of(recipe.run)), per_input));
  }
  return batches;
}

Json settings_of(const Arguments& arguments, int64_t inputs) {
  const std::string pipeline = arguments.get("pipeline", "light");
  Document settings{.values = {{"time_steps", arguments.integer("steps", 32, 1)},
                               {"calib", pipeline},
                               {"threshold_mode", arguments.get("threshold", "mse")},
                               {"channel_wise", arguments.has("channel-wise")}},
                    .origins = {}};
  if (arguments.has("percentile")) {
    apply_setting(settings, "percentile=" + arguments.get("percentile"));
  }
  if (pipeline == "weights" || pipeline == "advanced") {
    const int64_t batch = std::min(kFitBatch, inputs);
    settings.values["weight_calib"] = {{"iters", arguments.integer("iters", 5000, 1)},
                                       {"batch_size", batch},
                                       {"num_samples", inputs / batch * batch}};
  }
  return settings.values;
}

/// "0.731", or "0.210 … 1.04" of several.
std::string range_of(const at::Tensor& values) {
  const auto [low, high] = at::aminmax(values.to(at::kDouble));
  const std::string text = fmt::format("{:.3g}", low.item<double>());
  return values.numel() == 1 ? text : fmt::format("{} … {:.3g}", text, high.item<double>());
}

double metric_of(const Metrics& metrics, const std::string& name) {
  for (const auto& [known, value] : metrics) {
    if (known == name) return value;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

int snn_convert(const Arguments& arguments) {
  const std::string& out = arguments.positional().at(1);
  check_new_folder(arguments, out);
  const Trained trained = open_trained(arguments);
  const train::Recipe& recipe = trained.recipe;
  const auto* mergeable = dynamic_cast<const nn::Mergeable*>(trained.model.get());
  if (!mergeable) {
    fail<Unsupported>({.where = "snn convert",
                       .rule = recipe.name + " trains a convolutional network",
                       .got = trained.method.empty()
                                  ? "a model of " + recipe.system->name + " that is none"
                                  : "a network that has its form already",
                       .next = "Train one of snn_calibration, folded_cnn or zoo_tuning (lite).",
                       .id = "T-CLI-24"});
  }
  const nn::WeightedNetwork plain = mergeable->merged();
  const int64_t per_input = plain.network.images_per_input;
  const std::string pipeline = arguments.get("pipeline", "light");
  const bool fits = pipeline == "weights" || pipeline == "advanced";
  const int64_t count = arguments.integer("images", fits ? kFitted : 7 * kBatch, per_input);
  const auto task = train::make_task(recipe, data_root(arguments));
  const std::vector<at::Tensor> batches = training_images(*task, recipe, count, per_input);
  const Json settings = settings_of(arguments, (count + per_input - 1) / per_input);

  const NetworkMethod& method = network_methods().at(kMethod);
  std::unique_ptr<NetworkForm> form = method.apply(plain, batches, settings);
  write_bundle(out, recipe, *form, kMethod, settings);
  const TensorMap seen = form->observed(batches.front());
  const auto model = model_of(std::move(form));

  const Split split = split_of(arguments.get("split", "test"));
  const train::EvaluateOptions options = train::evaluate_options(recipe);
  const Metrics before = train::evaluate(*trained.model, *task, split, options),
                after = train::evaluate(*model, *task, split, options);
  const TensorMap rates = seen.with_prefix("firing_rate/"), energies = seen.with_prefix("energy/");
  const auto energy = [&](const char* name) { return energies.at(name).item<double>(); };
  const int64_t steps = settings.at("time_steps").get<int64_t>();

  if (arguments.has("json")) {
    Json layers = Json::array();
    for (const auto& [name, rate] : rates) {
      const at::Tensor V = seen.at("threshold/" + name).to(at::kDouble).flatten().contiguous();
      const double* first = V.const_data_ptr<double>();
      layers.push_back({{"layer", name},
                        {"threshold", std::vector<double>(first, first + V.numel())},
                        {"firing_rate", rate.item<double>()}});
    }
    Json energy_json = Json::object(), ann = Json::object(), snn = Json::object();
    for (const auto& [name, value] : energies) energy_json[name] = value.item<double>();
    for (const auto& [name, value] : before) ann[name] = value;
    for (const auto& [name, value] : after) snn[name] = value;
    put_json(Json{{"recipe", recipe.name},
                  {"bundle", out},
                  {"settings", settings},
                  {"layers", layers},
                  {"energy", energy_json},
                  {"split", name_of(split)},
                  {"examples", task->size(split)},
                  {"network", ann},
                  {"spiking", snn}});
    return 0;
  }
  Table table({"layer", "threshold", "fires"});
  for (const auto& [name, rate] : rates) {
    table.add({name, range_of(seen.at("threshold/" + name)),
               fmt::format("{:.2f} %", 100 * rate.item<double>())});
  }
  put(table.text());
  constexpr double kNano = 1e3;  // of pJ
  line("energy of an input: {:.4g} nJ in {} steps, {:.4g} nJ of the network that it was",
       energy("snn_pj") / kNano, steps, energy("ann_pj") / kNano);
  const std::string metric = task->selection_metric();
  line("{} on {} ({} examples): {:.2f} as trained, {:.2f} in {} steps", metric, name_of(split),
       task->size(split), metric_of(before, metric), metric_of(after, metric), steps);
  line("{}: config.toml, model.safetensors. Try:", out);
  line("  tessera eval {}", out);
  return 0;
}

}  // namespace tessera::cli
