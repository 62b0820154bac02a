#include "tessera/systems/snn_calibration/conversion_claims.h"

#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "tessera/core/error.h"
#include "tessera/systems/figures.h"
#include "tessera/systems/snn_calibration/model.h"
#include "tessera/systems/snn_calibration/tasks.h"

namespace tessera::snn_calibration {
namespace {

SnnConfig config_of(const Variant& variant, int64_t steps) {
  return SnnConfig::of(
      {{"threshold_mode", variant.threshold}, {"calib", variant.calib}, {"time_steps", steps}});
}

/// Spikes of some neurons of the second layer for one image, and the membranes of three.
std::vector<Figure> activity_figures(const SpikingNetwork& it, const at::Tensor& image) {
  const SpikingRun run = simulate(it, image, {.firing_rates = true, .traces = true});
  const std::string& name = it.neurons[std::min<size_t>(1, it.neurons.size() - 1)].name;
  const at::Tensor spikes = run.spikes.at(name).flatten(1), v = run.membranes.at(name).flatten(1);
  // The neurons that fire most, and every seventh after them.
  const at::Tensor order = spikes.ne(0).sum(0).argsort(int64_t{0}, /*descending=*/true);
  Json x = Json::array(), y = Json::array(), series = Json::array();
  for (int64_t k = 0; k < 40 && 7 * k < order.numel(); ++k) {
    const auto neuron = order[7 * k].item<int64_t>();
    for (int64_t t = 0; t < spikes.size(0); ++t) {
      if (spikes[t][neuron].item<double>() == 0) continue;
      x.push_back(t + 1);
      y.push_back(k);
    }
  }
  const double V = it.thresholds.at(name).max().item<double>();
  for (int64_t k = 0; k < 3; ++k) {
    const auto neuron = order[std::min<int64_t>(40 * k, order.numel() - 1)].item<int64_t>();
    Json steps = Json::array(), values = Json::array();
    for (int64_t t = 0; t < v.size(0); ++t) {
      steps.push_back(t + 1);
      values.push_back(v[t][neuron].item<double>() / V);
    }
    series.push_back({{"name", fmt::format("neuron {}", neuron)}, {"x", steps}, {"y", values}});
  }
  return {{.title = "Spikes of one image",
           .caption = fmt::format("Forty neurons of {}, T = {}.", name, spikes.size(0)),
           .plot = {{"kind", "scatter"},
                    {"x", plot_axis("step")},
                    {"y", plot_axis("neuron")},
                    {"series", Json::array({Json{{"name", "spikes"}, {"x", x}, {"y", y}}})}}},
          {.title = "Membranes",
           .caption = "Of three of them after the reset, in thresholds.",
           .plot = {{"kind", "lines"},
                    {"x", plot_axis("step")},
                    {"y", plot_axis("v / V")},
                    {"series", series}}}};
}

/// Test accuracies in %, one of each seed.
class AccuracyTable {
 public:
  explicit AccuracyTable(std::vector<int64_t> steps) : steps_(std::move(steps)) {
    for (auto& row : values_) row.resize(steps_.size());
  }

  /// Converts one trained source by every variant at every number of steps.
  void add(Lab& lab, const TrainOutcome& outcome, int64_t images, int64_t seed,
           int64_t shown_steps) {
    const nn::WeightedNetwork source = weighted(outcome);
    const TestSet test = test_set(*outcome.task, images);
    const std::vector<at::Tensor> batches = calibration_batches(
        *outcome.task, kCalibrationBatches, kCalibrationBatch, static_cast<uint64_t>(seed));
    const bool is_first = ann_.empty();
    // A conversion takes as long as it has steps.
    const auto all = static_cast<double>(std::accumulate(steps_.begin(), steps_.end(), int64_t{0}));
    double done = 0;
    for (size_t k = 0; k < steps_.size(); ++k) {
      for (size_t i = 0; i < kVariants.size(); ++i) {
        lab.progress("converting", done / all);
        done += static_cast<double>(steps_[k]) / static_cast<double>(kVariants.size());
        SpikingNetwork it = converted(source, kVariants[i], steps_[k], batches);
        if (k == 0 && i == 0) {
          ann_.push_back(accuracy(test, [&](const at::Tensor& x) { return ann_logits(it, x); }));
        }
        if (is_first && i + 1 == kVariants.size() && steps_[k] == shown_steps) {
          activity_ = activity_figures(it, test.images.narrow(0, 0, 1));
        }
        Simulator simulator(std::move(it));
        values_[i][k].push_back(
            accuracy(test, [&](const at::Tensor& x) { return simulator.run(x).logits; }));
      }
    }
    lab.progress("converting", 1);
  }

  Spread source() const { return spread_of(ann_); }
  Spread at(size_t variant, int64_t steps) const {
    const auto k = std::ranges::find(steps_, steps) - steps_.begin();
    return spread_of(values_[variant][static_cast<size_t>(k)]);
  }

  /// "at T = 8, 32: source 89.2; maximum 41.9 ± 2.0, 79.4 ± 0.3; …"
  std::string text() const {
    const auto written = [&](const Spread& value) {
      return ann_.size() > 1 ? fmt::format("{:.1f} ± {:.1f}", value.mean, value.deviation)
                             : fmt::format("{:.1f}", value.mean);
    };
    std::string all =
        fmt::format("at T = {}: source {}", fmt::join(steps_, ", "), written(source()));
    for (size_t i = 0; i < kVariants.size(); ++i) {
      std::vector<std::string> row;
      for (const int64_t steps : steps_) row.push_back(written(at(i, steps)));
      all += fmt::format("; {} {}", kVariants[i].name, fmt::join(row, ", "));
    }
    return all;
  }

  /// Accuracy against T, then the spikes of one image.
  std::vector<Figure> figures(const std::string& caption) const {
    Json series = Json::array();
    for (size_t i = 0; i < kVariants.size(); ++i) {
      Json y = Json::array(), error = Json::array();
      for (const int64_t steps : steps_) {
        const Spread value = at(i, steps);
        y.push_back(value.mean);
        error.push_back(value.deviation);
      }
      series.push_back({{"name", kVariants[i].name},
                        {"x", steps_},
                        {"y", y},
                        {"error", error},
                        {"color", kVariants[i].color},
                        {"markers", true}});
    }
    const double ann = source().mean;
    series.push_back({{"name", "source network"},
                      {"x", {steps_.front(), steps_.back()}},
                      {"y", {ann, ann}},
                      {"color", kTruthColor},
                      {"dash", true}});
    std::vector<Figure> list = {{.title = "Accuracy against time steps",
                                 .caption = caption,
                                 .plot = {{"kind", "lines"},
                                          {"x", plot_axis("T", true)},
                                          {"y", plot_axis("top-1, %")},
                                          {"series", series}}}};
    list.insert(list.end(), activity_.begin(), activity_.end());
    return list;
  }

 private:
  std::vector<int64_t> steps_;
  std::array<std::vector<std::vector<double>>, kVariants.size()> values_;
  std::vector<double> ann_;
  std::vector<Figure> activity_;
};

/// maximum < MMSE <= light < potential.
bool is_ordered(const AccuracyTable& table, int64_t steps) {
  const auto mean = [&](size_t variant) { return table.at(variant, steps).mean; };
  return mean(0) < mean(1) && mean(1) <= mean(2) && mean(2) < mean(3);
}

}  // namespace

SpikingNetwork converted(const nn::WeightedNetwork& source, const Variant& variant, int64_t steps,
                         std::span<const at::Tensor> batches) {
  const SnnConfig config = config_of(variant, steps);
  SpikingNetwork it = convert(source, conversion_of(config));
  search_thresholds(it, batches, threshold_rule_of(config));
  calibrate(it, batches, config, {});
  return it;
}

TestSet test_set(const Task& task, int64_t count) {
  const int64_t all = task.size(Split::kTest), n = std::min(count, all);
  std::vector<int64_t> examples(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) examples[static_cast<size_t>(i)] = i * all / n;
  BatchContext context{Split::kTest, at::detail::createCPUGenerator(0)};
  const TensorMap batch = task.batch(examples, context);
  return {batch.at("x"), batch.at("target")};
}

Trained trained(Lab& lab, int64_t seed) {
  std::vector<std::string> settings = {fmt::format("train.seed={}", seed)};
  try {
    if (lab.scale() == Scale::kQuick) {
      settings.insert(settings.end(), {"task.train_size=5000", "train.batch_size=64"});
    }
    return {lab.train("snn_calibration/fashion_small", settings)};
  } catch (const Io&) {
    settings.resize(1);
    return {lab.train("snn_calibration/digits", settings), /*is_fashion=*/false};
  }
}

nn::WeightedNetwork weighted(const TrainOutcome& outcome) {
  return dynamic_cast<const SourceNetwork&>(*outcome.model).merged();
}

Json plot_axis(const char* label, bool is_log) { return {{"label", label}, {"log", is_log}}; }

ClaimResult calibration_order(Lab& lab) {
  const bool is_quick = lab.scale() == Scale::kQuick;
  const std::vector<int64_t> seeds = {1000, 1001, 1002};
  AccuracyTable table(is_quick ? std::vector<int64_t>{2, 4, 8, 32}
                               : std::vector<int64_t>{2, 4, 8, 16, 32});
  int64_t decisive = 8;
  for (const int64_t seed : seeds) {
    const auto [outcome, is_fashion] = trained(lab, seed);
    // Digits are so easy that calibration decides at fewer steps.
    decisive = is_fashion ? 8 : 2;
    table.add(lab, outcome, is_quick ? 500 : 1000, seed, 32);
  }
  // At many steps all come near the source network.
  const bool ends_near = table.source().mean - table.at(3, 32).mean <= 2;
  return {
      .ours = table.at(3, decisive).mean,
      .baseline = table.at(0, decisive).mean,
      .holds = is_ordered(table, decisive) && ends_near,
      .detail = fmt::format("Rule: at T = {} maximum < MMSE <= light < potential, and at T = 32 "
                            "potential within 2 points of the source network. Seen in % {}.",
                            decisive, table.text()),
      .seeds = seeds,
      .figures = table.figures("Test images, mean and spread over the seeds.")};
}

ClaimResult cifar10_resnet20(Lab& lab) {
  constexpr int64_t kSeed = 1000, kImages = 500, kDecisive = 32, kMany = 256;
  AccuracyTable table({8, 16, kDecisive, 64, 128, kMany});
  const TrainOutcome outcome = lab.train("snn_calibration/resnet20_cifar10_narrow", {});
  table.add(lab, outcome, kImages, kSeed, kDecisive);
  const double source = table.source().mean;
  return {
      .ours = table.at(3, kDecisive).mean,
      .baseline = table.at(0, kDecisive).mean,
      .holds = is_ordered(table, kDecisive) && source - table.at(3, kDecisive).mean <= 2 &&
               source - table.at(3, kMany).mean <= 0.5,
      .detail = fmt::format(
          "Rule: at T = 32 maximum < MMSE <= light < potential, potential within 2 points of the "
          "source network, and within half a point at T = 256. A network of a quarter of the "
          "paper's widths, 30 epochs, {} test images. Seen in % {}. (The paper's, of the wide "
          "network after 300 epochs: source 95.68; none 67.88, light 93.89, advanced 94.33 at "
          "T = 32.)",
          kImages, table.text()),
      .seeds = {kSeed},
      .figures = table.figures("CIFAR-10, ResNet-20 of widths 16, 32, 64; test images.")};
}

}  // namespace tessera::snn_calibration
