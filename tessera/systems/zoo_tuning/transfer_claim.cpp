#include "tessera/systems/zoo_tuning/transfer_claim.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "tessera/core/json.h"
#include "tessera/core/paths.h"
#include "tessera/core/rng.h"
#include "tessera/io/tensor_file.h"
#include "tessera/systems/figures.h"
#include "tessera/systems/zoo_tuning/model.h"

namespace tessera::zoo_tuning {
namespace {

using Settings = std::vector<std::string>;

Settings with(Settings settings, const Settings& more) {
  settings.insert(settings.end(), more.begin(), more.end());
  return settings;
}

std::string setting(const char* key, const Json& value) {
  return std::string(key) + "=" + value.dump();
}

/// The files of the zoo of one seed.
std::vector<std::string> train_zoo(Lab& lab, const TransferPlan& plan, int64_t seed) {
  const Settings common = {setting("train.seed", seed)};
  std::vector<std::string> paths{keep_weights(lab.train(plan.source_recipe, common))};
  const Settings start =
      with(common, {setting("model.sources", Json::array({paths.front()})), "model.num_sources=1"});
  for (const Settings& descendant : plan.descendants) {
    paths.push_back(keep_weights(lab.train(plan.source_recipe, with(start, descendant))));
  }
  return paths;
}

/// One method at one learning rate: a value for each seed, in percent.
struct Scores {
  double rate = 0;
  std::vector<double> valid, test;

  void add(double valid_value, double test_value) {
    valid.push_back(valid_value);
    test.push_back(test_value);
  }
  double mean_valid() const { return spread_of(valid).mean; }
};

/// Of each method, at the rate that validates best.
class Comparison {
 public:
  void offer(const std::string& method, const Scores& scores) {
    const auto found = best_.find(method);
    if (found == best_.end()) {
      order_.push_back(method);
      best_[method] = scores;
    } else if (scores.mean_valid() > found->second.mean_valid()) {
      found->second = scores;
    }
  }
  const Scores& of(const std::string& method) const { return best_.at(method); }
  const std::vector<std::string>& methods() const { return order_; }

 private:
  std::map<std::string, Scores> best_;
  std::vector<std::string> order_;
};

/// The validation value of the evaluation that a training kept: the first of the best.
const Evaluation& kept(const TrainOutcome& outcome) {
  return *std::ranges::max_element(outcome.history, {}, [](const Evaluation& evaluation) {
    return metric(evaluation.valid, "top1");
  });
}

struct Method {
  std::string name;
  Settings settings;
};

Figure gates_figure(ZooModel& model, const Task& task) {
  const int64_t count = std::min<int64_t>(task.size(Split::kTest), 500);
  std::vector<int64_t> examples(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) examples[static_cast<size_t>(i)] = i;
  const TensorMap batch = test_batch(task, examples);
  const at::Tensor& labels = batch.at("labels");
  const int64_t classes = labels.max().item<int64_t>() + 1;
  Json series = Json::array();
  for (const auto& [layer, gates] : model.net().gates(batch.at("x"))) {
    Json rows = Json::array();
    for (int64_t e = 0; e < gates.size(1); ++e) {
      Json row = Json::array();
      for (int64_t k = 0; k < classes; ++k) {
        const at::Tensor of_class = gates.select(1, e).index({labels.eq(k)});
        row.push_back(of_class.mean().item<double>());
      }
      rows.push_back(row);
    }
    series.push_back({{"name", layer}, {"z", rows}});
  }
  return {"Gates of the zoo by layer and class",
          "Mean gate over test images: a row for each source in the zoo's order, a column for each "
          "class; white is 0, full colour is 1.",
          {{"kind", "heatmap"}, {"series", series}}};
}

}  // namespace

std::string keep_weights(const TrainOutcome& outcome) {
  const TensorMap weights = weights_of(*outcome.model);
  uint64_t hash = 0;
  for (const auto& [name, tensor] : weights) {
    const at::Tensor bytes = tensor.contiguous();
    hash = stream_seed(hash, name);
    hash = stream_seed(hash, {static_cast<const char*>(bytes.const_data_ptr()),
                              static_cast<size_t>(bytes.nbytes())});
  }
  const std::filesystem::path folder =
      std::filesystem::path(default_state_root()) / "zoo_tuning" / "sources";
  std::filesystem::create_directories(folder);
  const std::string path = (folder / fmt::format("{:016x}.safetensors", hash)).string();
  io::write_tensor_file(path, weights);
  return path;
}

ClaimResult compare_transfer(Lab& lab, const TransferPlan& plan) {
  Comparison comparison;
  std::vector<std::vector<std::string>> zoos;
  for (const int64_t seed : plan.seeds) zoos.push_back(train_zoo(lab, plan, seed));
  const auto sources = static_cast<int64_t>(zoos.front().size());

  const auto target = [&](const Method& method, double rate, size_t i) {
    Settings settings = {setting("train.seed", plan.seeds[i]),
                         setting("task.split_seed", plan.seeds[i]), setting("train.lr", rate)};
    if (method.name != "scratch") {
      settings = with(settings,
                      {setting("model.sources", zoos[i]), setting("model.num_sources", sources)});
    }
    return lab.train(plan.target_recipe, with(settings, method.settings));
  };
  const auto run = [&](const Method& method, double rate,
                       const std::function<void(const TrainOutcome&, size_t)>& also) {
    Scores scores{.rate = rate, .valid = {}, .test = {}};
    for (size_t i = 0; i < plan.seeds.size(); ++i) {
      const TrainOutcome outcome = target(method, rate, i);
      scores.add(metric(kept(outcome).valid, "top1"), metric(outcome.test, "top1"));
      if (also) also(outcome, i);
    }
    comparison.offer(method.name, scores);
    return scores;
  };

  // The ensemble's members are the single fine-tunings; at its best rate it teaches.
  std::vector<std::string> teachers(plan.seeds.size());
  double teaching = -1;
  for (const double rate : plan.rates) {
    std::vector<Scores> members(static_cast<size_t>(sources),
                                {.rate = rate, .valid = {}, .test = {}});
    std::vector<std::string> files(plan.seeds.size());
    const Scores scores = run(
        {"ensemble", {"model.method=ensemble"}}, rate, [&](const TrainOutcome& outcome, size_t i) {
          for (size_t e = 0; e < members.size(); ++e) {
            const std::string name = fmt::format("top1_member{}", e);
            members[e].add(metric(kept(outcome).valid, name), metric(outcome.test, name));
          }
          files[i] = keep_weights(outcome);
        });
    for (const Scores& member : members) comparison.offer("best single", member);
    if (scores.mean_valid() > teaching) {
      teaching = scores.mean_valid();
      teachers = files;
    }
  }
  for (const double rate : plan.rates) {
    run({"scratch", {"model.method=plain"}}, rate, {});
    run({"average", {"model.method=average"}}, rate, {});
    run({"lite", {"model.lite=true", "model.downsample_lite=true"}}, rate, {});
  }
  for (const double rate : plan.rates) {
    Scores scores{.rate = rate, .valid = {}, .test = {}};
    for (size_t i = 0; i < plan.seeds.size(); ++i) {
      const TrainOutcome outcome = target(
          {"distillation", {"model.method=distillation", setting("model.teacher", teachers[i])}},
          rate, i);
      scores.add(metric(kept(outcome).valid, "top1"), metric(outcome.test, "top1"));
    }
    comparison.offer("distillation", scores);
  }
  std::map<double, TrainOutcome> zoo_models;
  for (const double rate : plan.rates) {
    run({"zoo", {}}, rate, [&](const TrainOutcome& outcome, size_t i) {
      if (i == 0) zoo_models[rate] = outcome;
    });
  }

  ClaimResult result;
  std::vector<std::string> names;
  std::vector<Spread> spreads;
  std::string seen;
  for (const char* name :
       {"scratch", "best single", "ensemble", "average", "distillation", "lite", "zoo"}) {
    const Scores& scores = comparison.of(name);
    const Spread spread = spread_of(scores.test);
    names.emplace_back(name);
    spreads.push_back(spread);
    seen += fmt::format("{}{} {:.1f} ± {:.1f} % (rate {})", seen.empty() ? "" : ", ", name,
                        spread.mean, spread.deviation, scores.rate);
  }
  const double zoo = spread_of(comparison.of("zoo").test).mean;
  const double single = spread_of(comparison.of("best single").test).mean;
  result.ours = zoo;
  result.baseline = single;
  result.holds = zoo > single;
  result.detail = fmt::format(
      "Rule: Zoo-Tuning above the best single fine-tuning, rates and source chosen on validation "
      "images. Seen, mean over {} seed{}: {}.",
      plan.seeds.size(), plan.seeds.size() == 1 ? "" : "s", seen);
  result.seeds = plan.seeds;
  result.figures.push_back(bars_figure("Transfer to few labels",
                                       "Test accuracy, each method at the learning rate that "
                                       "validates best; spread over seeds.",
                                       "top-1, %", names, spreads, {}));
  const TrainOutcome& shown = zoo_models.at(comparison.of("zoo").rate);
  if (const auto model = std::dynamic_pointer_cast<ZooModel>(shown.model)) {
    result.figures.push_back(gates_figure(*model, *shown.task));
  }
  return result;
}

}  // namespace tessera::zoo_tuning
