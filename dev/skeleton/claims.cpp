#include "tessera/systems/skeleton/claims.h"

#include <fmt/format.h>

#include "tessera/systems/figures.h"

namespace tessera::skeleton {
namespace {

ClaimResult order(Lab& lab) {
  const TrainOutcome network = lab.train("skeleton/first", {});
  const TrainOutcome linear = lab.train("skeleton/first", {"model.architecture=linear"});
  ClaimResult result;
  result.ours = metric(network.test, "loss");
  result.baseline = metric(linear.test, "loss");
  result.holds = result.ours < *result.baseline / 2;
  result.seeds = {network.seed};
  result.detail = fmt::format(
      "Rule: the network's error is below half of the linear model's. Seen: {:.3g} and {:.3g}.",
      result.ours, *result.baseline);
  result.figures = {curves_figure(
      "Learning curves", "Error on the validation split.", "loss", "mean squared error",
      {{{"network", "skeleton/first", 0}, network}, {{"linear", "skeleton/first", 1}, linear}})};
  return result;
}

}  // namespace

std::vector<Claim> claims() {
  return {{.name = "first_order",
           .statement = "A hidden layer fits what a linear map cannot",
           .kind = Claim::Kind::kGate,
           .quantity = "test mean squared error; baseline: a linear map",
           .scales = {Scale::kQuick, Scale::kCpu, Scale::kPaper},
           .run = order}};
}

}  // namespace tessera::skeleton
