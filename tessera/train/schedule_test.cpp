#include "tessera/train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "tessera/core/error.h"

namespace tessera::train {
namespace {

constexpr double kPi = std::numbers::pi;

/// The rates of a training of `total` steps, ten to an epoch, from a base of 1.
std::vector<double> rates(const char* spec, int64_t total) {
  std::vector<double> values;
  for (int64_t step = 0; step < total; ++step) {
    values.push_back(learning_rate(Json::parse(spec), 1.0, step, 10, total));
  }
  return values;
}

TEST(Schedule, constant_stays) {
  for (const double rate : rates(R"({"name":"constant"})", 30)) EXPECT_EQ(rate, 1.0);
}

TEST(Schedule, step_and_multistep_drop_after_epochs_or_steps) {
  const auto step = rates(R"({"name":"step","step_size":2,"gamma":0.5})", 50);
  EXPECT_EQ(step[19], 1.0);
  EXPECT_EQ(step[20], 0.5);
  EXPECT_EQ(step[40], 0.25);
  const auto multi =
      rates(R"({"name":"multistep","milestones":[4,7],"gamma":0.1,"unit":"step"})", 10);
  EXPECT_EQ(multi[3], 1.0);
  EXPECT_DOUBLE_EQ(multi[4], 0.1);
  EXPECT_DOUBLE_EQ(multi[6], 0.1);
  EXPECT_DOUBLE_EQ(multi[7], 0.01);
}

TEST(Schedule, cosine_is_set_at_the_start_of_each_epoch) {
  const auto values = rates(R"({"name":"cosine","epochs":3,"steps_per_epoch":5})", 15);
  for (int64_t s = 0; s < 15; ++s) {
    const double e = static_cast<double>(s / 5);
    EXPECT_DOUBLE_EQ(values[static_cast<size_t>(s)], (1 + std::cos(kPi * e / 3)) / 2);
  }
}

TEST(Schedule, the_triple_scheduler_of_qm9_touches_zero_at_epoch_333_and_comes_back) {
  const Json spec = {{"name", "cosine"}, {"scheduler_steps_per_epoch", 3}};
  const auto rate_in = [&](int64_t epoch) {
    return learning_rate(spec, 1.0, epoch * 10, 10, 10000);
  };
  EXPECT_DOUBLE_EQ(rate_in(0), (1 + std::cos(kPi * 1 / 1000)) / 2);
  EXPECT_DOUBLE_EQ(rate_in(100), (1 + std::cos(kPi * 301 / 1000)) / 2);
  EXPECT_NEAR(rate_in(333), 0.0, 1e-12);
  EXPECT_GT(rate_in(666), 0.99999);
  EXPECT_LT(rate_in(999), 1e-5);
}

TEST(Schedule, warmup_rises_and_the_decay_starts_after_it) {
  const auto values =
      rates(R"({"name":"cosine","unit":"step","warmup_steps":4,"eta_min":0.2})", 12);
  EXPECT_DOUBLE_EQ(values[0], 0.25);
  EXPECT_DOUBLE_EQ(values[3], 1.0);
  EXPECT_DOUBLE_EQ(values[4], 1.0);
  EXPECT_DOUBLE_EQ(values[8], 0.6);
  const auto linear = rates(R"({"name":"linear","unit":"step"})", 10);
  EXPECT_DOUBLE_EQ(linear[0], 1.0);
  EXPECT_DOUBLE_EQ(linear[5], 0.5);
  EXPECT_DOUBLE_EQ(rates(R"({"name":"exponential","gamma":0.5})", 30)[25], 0.25);
}

TEST(Schedule, inverse_sqrt_peaks_at_the_end_of_the_warmup) {
  const auto values = rates(R"({"name":"inverse_sqrt","warmup_steps":4})", 20);
  EXPECT_DOUBLE_EQ(values[0], 0.25);
  EXPECT_DOUBLE_EQ(values[3], 1.0);
  EXPECT_DOUBLE_EQ(values[15], 0.5);
}

TEST(Schedule, pop_piano_starts_at_the_full_rate) {
  const auto values =
      rates(R"({"name":"spe_pop_piano","warmup_steps":3,"t_max":10,"eta_min":0.025})", 8);
  const std::vector<double> recorded = {1,
                                        1.0 / 3,
                                        2.0 / 3,
                                        1,
                                        0.9761400516938875,
                                        0.9068957847577868,
                                        0.7990453104925806,
                                        0.6631457847577869};
  for (size_t i = 0; i < recorded.size(); ++i) EXPECT_NEAR(values[i], recorded[i], 1e-12) << i;
}

TEST(Schedule, what_has_no_meaning_is_refused) {
  EXPECT_THROW(rates(R"({"name":"cosinus"})", 1), InvalidArgument);
  EXPECT_THROW(rates(R"({"name":"step","scheduler_steps_per_epoch":3})", 1), InvalidArgument);
  EXPECT_THROW(rates(R"({"name":"multistep","milestones":[7,4]})", 1), InvalidArgument);
  EXPECT_THROW(rates(R"({"name":"spe_pop_piano"})", 1), InvalidArgument);
}

}  // namespace
}  // namespace tessera::train
