#include "tessera/systems/lmu/workloads.h"

#include <torch/types.h>

#include <cmath>

#include "tessera/systems/lmu/model.h"

namespace tessera::lmu {
namespace {

constexpr int64_t kPixelSteps = 784;

std::shared_ptr<Model> seeded_model(const Json& values) {
  LmuConfig config;
  read_config(config, values);
  torch::manual_seed(0);
  return make_model(config);
}

at::Generator generator() { return at::detail::createCPUGenerator(0); }

at::Tensor cross_entropy(const TensorMap& outputs, const TensorMap& inputs) {
  return at::cross_entropy_loss(outputs.at("logits"), inputs.at("y"));
}

at::Tensor mse(const TensorMap& outputs, const TensorMap& inputs) {
  return at::mse_loss(outputs.at("prediction"), inputs.at("y"));
}

WorkloadInstance classifier(const Json& config) {
  constexpr int64_t kBatch = 32;
  auto random = generator();
  return {.model = seeded_model(config),
          .inputs = {{"x", torch::rand({kBatch, kPixelSteps, 1}, random)},
                     {"y", torch::randint(10, {kBatch}, random, torch::kLong)}},
          .loss = cross_entropy,
          .optimizer = {{"name", "adam"}, {"lr", 1e-3}}};
}

WorkloadInstance psmnist_parallel() {
  return classifier({{"variant", "parallel"},
                     {"hidden_dim", 346},
                     {"order", 468},
                     {"theta", 784},
                     {"dropout", 0.5},
                     {"num_classes", 10}});
}

WorkloadInstance psmnist_original() {
  return classifier({{"variant", "original"},
                     {"hidden_dim", 212},
                     {"order", 256},
                     {"theta", 784},
                     {"num_classes", 10}});
}

WorkloadInstance sequence_parallel() {
  constexpr int64_t kBatch = 8, kLength = 1024, kWidth = 64;
  auto random = generator();
  return {.model = seeded_model({{"variant", "parallel"},
                                 {"input_dim", kWidth},
                                 {"hidden_dim", 256},
                                 {"order", 256},
                                 {"theta", kLength},
                                 {"output_dim", kWidth},
                                 {"return_sequences", true}}),
          .inputs = {{"x", torch::randn({kBatch, kLength, kWidth}, random)},
                     {"y", torch::randn({kBatch, kLength, kWidth}, random)}},
          .loss = mse,
          .optimizer = {{"name", "adam"}, {"lr", 1e-3}}};
}

// Multiply-adds count two.
double dense(double rows, double in, double out) { return 2 * rows * in * out; }

/// A real transform of n values: 2.5 n log₂ n.
double transform(double n) { return 2.5 * n * std::log2(n); }

}  // namespace

std::vector<Workload> workloads() {
  const auto workload = [](const char* name, const char* summary, double forward, double step,
                           std::function<WorkloadInstance()> make) {
    return Workload{.name = name,
                    .summary = summary,
                    .forward_flops = forward,
                    .train_step_flops = step,
                    .make = std::move(make),
                    .peer_script = "lmu.py",
                    .peer_arguments = {{"--workload", name}, {"--workload", name, "--compile"}}};
  };
  // Compiling the loop of 784 steps ends in a recursion error after minutes.
  const auto eager_only = [](Workload it) {
    it.peer_arguments.resize(1);
    return it;
  };
  // One product for the memory (its gradient is one more: the kernel is constant), and the head.
  const double memory = dense(32, kPixelSteps, 468),
               read = dense(32, 469, 346) + dense(32, 346, 10);
  // Scalar signals by transforms of 2048, read at 256 outputs: their kernels and results forward;
  // gradients of both backward.
  const double signals = (8 + 256 + 8 * 256) * transform(2048) + 8 * 256 * 1025 * 8,
               maps = dense(8 * 1024, 64, 257) + dense(8 * 1024, 256, 64) + dense(1024, 256, 256);
  const double step = dense(32, 212 + 256, 212) + dense(32, 256, 256 + 1) + dense(32, 212, 1);
  return {
      workload("psmnist_parallel", "parallel LMU, batch 32, 784 steps, order 468, width 346",
               memory + read, 2 * memory + 3 * read, psmnist_parallel),
      workload("sequence_parallel",
               "parallel LMU with an output at each of 1024 steps, batch 8, order and width 256",
               signals + maps, 3 * (signals + maps), sequence_parallel),
      eager_only(workload("psmnist_original",
                          "LMU of 2019, batch 32, 784 dependent steps, order 256, width 212",
                          kPixelSteps * step, 3 * kPixelSteps * step, psmnist_original)),
  };
}

}  // namespace tessera::lmu
