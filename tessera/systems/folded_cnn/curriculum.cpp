#include "tessera/systems/folded_cnn/curriculum.h"

#include <algorithm>

#include "tessera/core/error.h"

namespace tessera::folded_cnn {
namespace {

void check(const CurriculumRules& rules) {
  const auto refuse = [](const std::string& rule, int64_t got) {
    fail<InvalidArgument>({.where = "curriculum",
                           .rule = rule,
                           .got = std::to_string(got),
                           .next = "As {init_classes = 2, steps = [[60, 2]]}.",
                           .id = "T-FCNN-30"});
  };
  if (rules.init_classes < 1) refuse("init_classes is at least 1", rules.init_classes);
  if (rules.steps.empty()) refuse("there is at least one step [gap, add]", 0);
  for (const CurriculumRules::Step& step : rules.steps) {
    if (step.gap < 1) refuse("a step's gap is at least 1 epoch", step.gap);
    if (step.add < 1) refuse("a step adds at least 1 class", step.add);
  }
}

}  // namespace

CurriculumRules CurriculumRules::published(int64_t num_classes, int64_t fold, bool is_slow) {
  const int64_t share = num_classes / (is_slow ? 20 : 10);
  return {.init_classes = std::max(share, fold),
          .steps = {{.gap = is_slow ? 120 : 60, .add = std::max<int64_t>(share, 1)}}};
}

CurriculumRules CurriculumRules::of(const Json& json, const CurriculumRules& otherwise) {
  CurriculumRules rules = otherwise;
  try {
    for (const auto& [key, value] : json.items()) {
      if (key == "init_classes") {
        rules.init_classes = value.get<int64_t>();
      } else if (key == "steps") {
        rules.steps.clear();
        for (const Json& step : value) {
          rules.steps.push_back(
              {.gap = step.at(0).get<int64_t>(), .add = step.at(1).get<int64_t>()});
        }
      } else {
        fail<InvalidArgument>({.where = "curriculum",
                               .rule = "keys are init_classes and steps",
                               .got = "\"" + key + "\"",
                               .id = "T-FCNN-30"});
      }
    }
  } catch (const Json::exception&) {
    fail<InvalidArgument>({.where = "curriculum",
                           .rule = "init_classes is an integer and steps a list of [gap, add]",
                           .got = json.dump(),
                           .id = "T-FCNN-30"});
  }
  check(rules);
  return rules;
}

Curriculum::Curriculum(const CurriculumRules& rules, int64_t num_classes)
    : rules_(rules), num_classes_(num_classes) {
  check(rules);
  classes_ = std::min(rules.init_classes, num_classes);
  next_ = rules.steps.front().gap;
}

void Curriculum::advance() {
  if (++epoch_ != next_) return;
  classes_ = std::min(classes_ + rules_.steps[step_].add, num_classes_);
  if (step_ + 1 < rules_.steps.size()) ++step_;
  // The gap of the step that is current now, not of the one just taken.
  next_ = epoch_ + rules_.steps[step_].gap;
}

int64_t classes_in_use(const CurriculumRules& rules, int64_t num_classes, int64_t epoch) {
  Curriculum curriculum(rules, num_classes);
  while (curriculum.epoch() < epoch && curriculum.classes_in_use() < num_classes) {
    curriculum.advance();
  }
  return curriculum.classes_in_use();
}

RankedLabels ranked(std::span<const int64_t> labels) {
  std::vector<int64_t> classes(labels.begin(), labels.end());
  std::ranges::sort(classes);
  const auto repeated = std::ranges::unique(classes);
  classes.erase(repeated.begin(), repeated.end());
  RankedLabels result{.ranks = {}, .num_classes = static_cast<int64_t>(classes.size())};
  for (const int64_t label : labels) {
    result.ranks.push_back(std::ranges::lower_bound(classes, label) - classes.begin());
  }
  return result;
}

std::vector<int64_t> samples_in_use(std::span<const int64_t> labels, int64_t classes) {
  std::vector<int64_t> indices;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < classes) indices.push_back(static_cast<int64_t>(i));
  }
  return indices;
}

}  // namespace tessera::folded_cnn
