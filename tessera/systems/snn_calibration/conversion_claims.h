#pragma once

#include <ATen/ATen.h>

#include <array>
#include <span>
#include <vector>

#include "tessera/systems/claim.h"
#include "tessera/systems/snn_calibration/spiking.h"

// What the claims of conversion share, and the two that compare ways to convert.

namespace tessera::snn_calibration {

inline constexpr int64_t kCalibrationBatch = 64, kCalibrationBatches = 7;

/// One way to convert: a threshold rule and what is calibrated.
struct Variant {
  const char *name, *threshold, *calib;
  int color;
};
inline constexpr std::array<Variant, 4> kVariants = {
    {{"maximum", "max", "none", 0},
     {"MMSE", "mse", "none", 1},
     {"light: MMSE and bias", "mse", "light", 2},
     {"MMSE and potential", "mse", "potential", 3}}};
inline constexpr const Variant& kPotential = kVariants[3];

SpikingNetwork converted(const nn::WeightedNetwork& source, const Variant& variant, int64_t steps,
                         std::span<const at::Tensor> batches);

/// Test images of a task, evenly from all of them since files may lie class by class, and their
/// classes.
struct TestSet {
  at::Tensor images, classes;
};
TestSet test_set(const Task& task, int64_t count);

/// Share of right answers in %, of `logits_of` applied to 50 images at a time.
template <class LogitsOf>
double accuracy(const TestSet& set, const LogitsOf& logits_of) {
  constexpr int64_t kBatch = 50;
  std::vector<at::Tensor> guesses;
  for (const at::Tensor& images : set.images.split(kBatch)) {
    guesses.push_back(logits_of(images).argmax(1));
  }
  return 100 * at::cat(guesses).eq(set.classes).to(at::kDouble).mean().item<double>();
}

/// The small VGG of the experiments, on Fashion-MNIST; where its files are not there, on the digits
/// that ship with the library.
struct Trained {
  TrainOutcome outcome;
  bool is_fashion = true;
};
Trained trained(Lab& lab, int64_t seed);

/// Network and weights of a trained source.
nn::WeightedNetwork weighted(const TrainOutcome& outcome);

Json plot_axis(const char* label, bool is_log = false);

/// Claims: the small VGG by every variant at few steps, and ResNet-20 on CIFAR-10 at 8 to 256.
ClaimResult calibration_order(Lab& lab);
ClaimResult cifar10_resnet20(Lab& lab);

}  // namespace tessera::snn_calibration
