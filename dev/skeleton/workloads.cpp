#include "tessera/systems/skeleton/workloads.h"

#include <torch/types.h>

#include "tessera/systems/skeleton/model.h"

namespace tessera::skeleton {
namespace {

constexpr int64_t kBatch = 256, kIn = 64, kHidden = 128, kOut = 10;

WorkloadInstance instance() {
  SkeletonConfig config;
  config.in_dim = kIn;
  config.hidden_dim = kHidden;
  config.out_dim = kOut;
  torch::manual_seed(0);
  auto generator = at::detail::createCPUGenerator(0);
  return {.model = make_model(config),
          .inputs = {{"x", torch::randn({kBatch, kIn}, generator)},
                     {"target", torch::randn({kBatch, kOut}, generator)}},
          .loss =
              [](const TensorMap& outputs, const TensorMap& inputs) {
                return at::mse_loss(outputs.at("y"), inputs.at("target"));
              },
          .optimizer = {{"name", "adam"}, {"lr", 1e-3}}};
}

}  // namespace

std::vector<Workload> workloads() {
  // A multiply and an add for each weight and example. Backward: the gradient by the input and by
  // the weight of every product. What it races against: .peer_script and .peer_arguments.
  constexpr double kForward = 2.0 * kBatch * kHidden * (kIn + kOut);
  return {{.name = "first",
           .summary = "64-128-10, batch 256",
           .forward_flops = kForward,
           .train_step_flops = 3 * kForward,
           .make = instance}};
}

}  // namespace tessera::skeleton
