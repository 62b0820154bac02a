#include "tessera/systems/task.h"

#include <cmath>
#include <limits>

#include "tessera/core/error.h"

namespace tessera {

const char* name_of(Split split) {
  switch (split) {
    case Split::kTrain:
      return "train";
    case Split::kValid:
      return "valid";
    case Split::kTest:
      return "test";
  }
  return "";
}

Split split_of(std::string_view name) {
  for (const Split split : {Split::kTrain, Split::kValid, Split::kTest}) {
    if (name == name_of(split)) return split;
  }
  fail<InvalidArgument>({.where = "split",
                         .rule = "a split is train, valid or test",
                         .got = "\"" + std::string(name) + "\"",
                         .id = "T-TASK-01"});
}

void Tally::add(const std::string& name, double value, double weight) {
  for (Sum& sum : sums_) {
    if (sum.name == name) {
      sum.sum += value * weight;
      sum.weight += weight;
      return;
    }
  }
  sums_.push_back({name, value * weight, weight});
}

double Tally::sum(const std::string& name) const {
  for (const Sum& sum : sums_) {
    if (sum.name == name) return sum.sum;
  }
  return 0;
}

double Tally::weight(const std::string& name) const {
  for (const Sum& sum : sums_) {
    if (sum.name == name) return sum.weight;
  }
  return 0;
}

double Tally::mean(const std::string& name) const {
  const double w = weight(name);
  return w == 0 ? std::numeric_limits<double>::quiet_NaN() : sum(name) / w;
}

std::vector<std::string> Tally::names() const {
  std::vector<std::string> names;
  for (const Sum& sum : sums_) names.push_back(sum.name);
  return names;
}

Metrics Task::metrics(const Tally& tally) const {
  Metrics metrics;
  for (const std::string& name : tally.names()) metrics.emplace_back(name, tally.mean(name));
  return metrics;
}

}  // namespace tessera
