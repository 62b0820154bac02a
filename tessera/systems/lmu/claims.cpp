#include "tessera/systems/lmu/claims.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/types.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "tessera/core/rng.h"
#include "tessera/systems/figures.h"
#include "tessera/systems/lmu/memory.h"
#include "tessera/systems/lmu/model.h"

namespace tessera::lmu {
namespace {

// The paper's psMNIST layer.
constexpr int64_t kOrder = 468, kHidden = 346, kPixels = 784;

std::shared_ptr<Model> psmnist_model(const char* mode, at::ScalarType dtype) {
  LmuConfig config;
  read_config(config, {{"order", kOrder},
                       {"hidden_dim", kHidden},
                       {"theta", kPixels},
                       {"num_classes", 10},
                       {"mode", mode}});
  seed_default_generators(0);
  const auto model = make_model(config);
  model->to(dtype);
  return model;
}

at::Tensor pixels(int64_t batch, at::ScalarType dtype) {
  return torch::rand({batch, kPixels, 1}, at::detail::createCPUGenerator(1), at::kDouble).to(dtype);
}

ClaimResult modes(Lab& lab) {
  // float32: (1 + |m|) · 5e-6 of the specification, through a read-out of 346 units.
  constexpr double kBoundDouble = 1e-10, kBoundFloat = 2e-5;
  ClaimResult result;
  double worst_double = 0, worst_float = 0;
  for (const at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const at::NoGradGuard no_grad;
    const at::Tensor x = pixels(4, dtype);
    lab.progress("recurrent form", dtype == at::kDouble ? 0.0 : 0.5);
    const at::Tensor truth =
        psmnist_model("recurrent", at::kDouble)->run({{"x", x.to(at::kDouble)}}).at("logits");
    for (const char* mode : {"fft", "convolution", "chunked", "final_state"}) {
      const at::Tensor logits = psmnist_model(mode, dtype)->run({{"x", x}}).at("logits");
      const double error = ((logits - truth).abs().max() / (1 + truth.abs().max())).item<double>();
      double& worst = dtype == at::kDouble ? worst_double : worst_float;
      worst = std::max(worst, error);
    }
  }
  result.ours = worst_float;
  result.holds = worst_double < kBoundDouble && worst_float < kBoundFloat;
  result.detail = fmt::format(
      "Rule: the logits of the paper’s psMNIST network in modes fft, convolution, chunked and "
      "final_state differ from the recurrent form in double by less than {:g} (double) and {:g} "
      "(float), relative. Seen: {:.2g} and {:.2g}.",
      kBoundDouble, kBoundFloat, worst_double, worst_float);
  result.seeds = {0};
  return result;
}

/// Median milliseconds of a forward and a backward.
double training_ms(const char* mode, int repeats) {
  const auto model = psmnist_model(mode, at::kFloat);
  const at::Tensor x = pixels(32, at::kFloat);
  const at::Tensor y = torch::arange(32, at::kLong).remainder(10);
  std::vector<double> times;
  for (int i = 0; i <= repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    model->zero_grad();
    at::cross_entropy_loss(model->run({{"x", x}}).at("logits"), y).backward();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    if (i > 0) times.push_back(took.count());  // the first warms up
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

ClaimResult speed(Lab& lab) {
  constexpr double kLeast = 20;
  lab.progress("final_state", 0.0);
  const double final_state = training_ms("final_state", 20);
  lab.progress("fft", 0.2);
  const double fft = training_ms("fft", 3);
  lab.progress("recurrent", 0.4);
  const double recurrent = training_ms("recurrent", 3);
  ClaimResult result;
  result.ours = recurrent / final_state;
  result.holds = result.ours >= kLeast;
  result.detail = fmt::format(
      "Rule: forward and backward of the paper’s psMNIST network, batch 32, are at least {:g} "
      "times "
      "faster by the final state than step by step. Seen: {:.2f} ms against {:.0f} ms ({:.0f} "
      "times); by transforms {:.0f} ms.",
      kLeast, final_state, recurrent, result.ours, fft);
  result.figures.push_back(
      bars_figure("One training step", "Forward and backward, 784 steps, order 468, batch 32.",
                  "milliseconds", {"final state", "transforms", "step by step"},
                  {{final_state, 0}, {fft, 0}, {recurrent, 0}}, {}));
  return result;
}

ClaimResult window(Lab&) {
  constexpr int64_t kN = 12, kTheta = 60, kLength = 240;
  // Twice what an independent implementation showed for another phase: 0.0042.
  constexpr double kBound = 0.0085;
  DelayMemory memory(kN, kTheta, Discretizer::kZoh, {});
  const at::Tensor t = torch::arange(kLength, at::kDouble);
  const at::Tensor u = at::sin(2 * M_PI * t / kTheta) + 0.8 * at::sin(4 * M_PI * t / kTheta + 1);
  const at::Tensor m = memory_states(u.view({1, kLength, 1}), {},
                                     memory.kernels(kLength, u.options()), Mode::kRecurrent)
                           .view({kLength, kN});
  double worst = 0;
  for (int64_t lag = kTheta / 4; lag <= kTheta; lag += kTheta / 4) {
    const at::Tensor row =
        legendre_decoder(torch::tensor({static_cast<double>(lag) / kTheta}, at::kDouble), kN)[0];
    const at::Tensor decoded = at::mv(m, row);
    for (int64_t i = 2 * kTheta; i < kLength; ++i) {
      // A held sample stands for the step after it: between two samples lies their mean.
      const double truth = (u[i - lag] + u[i - lag + 1]).item<double>() / 2;
      worst = std::max(worst, std::abs(decoded[i].item<double>() - truth));
    }
  }
  const at::Tensor fractions = torch::linspace(0, 1, kTheta + 1, at::kDouble);
  const at::Tensor now = at::mv(legendre_decoder(fractions, kN), m[kLength - 1]);
  Json x = Json::array(), seen = Json::array(), read = Json::array();
  for (int64_t lag = 0; lag <= kTheta; ++lag) {
    x.push_back(-lag);
    seen.push_back(u[kLength - 1 - lag].item<double>());
    read.push_back(now[lag].item<double>());
  }
  Figure figure{"The window that twelve numbers remember",
                "The last 60 steps of a signal, and the same read back out of the Legendre memory.",
                {{"kind", "lines"},
                 {"x", {{"label", "steps before now"}}},
                 {"y", {{"label", "u"}}},
                 {"series",
                  {{{"name", "signal"}, {"x", x}, {"y", seen}, {"color", 7}},
                   {{"name", "from 12 coefficients"},
                    {"x", x},
                    {"y", read},
                    {"color", 0},
                    {"dash", true}}}}}};
  return {
      .ours = worst,
      .holds = worst < kBound,
      .detail = fmt::format(
          "Rule: two cycles a window of amplitude 1.8 are read back from order {} with an error "
          "below {} at a quarter, a half, three quarters and the end of the window. Seen: "
          "{:.4f}.",
          kN, kBound, worst),
      .figures = {std::move(figure)}};
}

ClaimResult psmnist(Lab& lab) {
  const bool is_quick = lab.scale() == Scale::kQuick;
  // Below the paper's 98.49: a plain implementation of the formula reached 97.93.
  constexpr double kLeast = 97.8;
  const std::vector<std::string> settings =
      is_quick ? std::vector<std::string>{"task.source=subset", "task.valid_size=200",
                                          "train.epochs=20", "train.batch_size=50"}
               : std::vector<std::string>{};
  const TrainOutcome run = lab.train("lmu/psmnist", settings);
  ClaimResult result;
  result.ours = metric(run.test, "accuracy");
  result.seeds = {run.seed};
  result.holds = is_quick ? result.ours > 80 : result.ours >= kLeast;
  result.detail = is_quick
                      ? fmt::format(
                            "Rule: 2,200 images, 20 epochs: more than 80 % of 600 held-out images. "
                            "Seen: {:.2f} %, trained in {:.1f} s.",
                            result.ours, run.seconds)
                      : fmt::format(
                            "Rule: at least {} % of the test images after 15 epochs at the paper’s "
                            "size. Seen: {:.2f} %, trained in {:.0f} s.",
                            kLeast, result.ours, run.seconds);
  result.figures.push_back(curves_figure("Permuted pixels", "Accuracy on the validation images.",
                                         "accuracy", "accuracy in percent",
                                         {{{"parallel LMU", "lmu/psmnist", 0}, run}},
                                         /*is_logarithmic=*/false));
  return result;
}

ClaimResult reviews(Lab& lab) {
  // Two points below what was seen with seed 1.
  constexpr double kLeast = 87;
  const TrainOutcome run = lab.train("lmu/imdb", {});
  ClaimResult result;
  result.ours = metric(run.test, "accuracy");
  result.seeds = {run.seed};
  result.holds = result.ours >= kLeast;
  result.detail = fmt::format(
      "Rule: with 101 numbers beside the word vectors, which are learned here from the reviews "
      "alone, at least {} % of the 25,000 test reviews. Seen: {:.2f} %, trained in {:.0f} s. (The "
      "paper’s form, 301 numbers on frozen GloVe vectors, is lmu/imdb_glove.)",
      kLeast, result.ours, run.seconds);
  result.figures.push_back(curves_figure("Reviews of films", "Accuracy on the validation reviews.",
                                         "accuracy", "accuracy in percent",
                                         {{{"LMU of order 1", "lmu/imdb", 0}, run}},
                                         /*is_logarithmic=*/false));
  return result;
}

ClaimResult capacity_claim(Lab& lab) {
  // The memory is not trained: "training" is one update with rate 0.
  const auto window = [&](const std::string& steps, const std::string& theta) {
    return lab.train("lmu/capacity", {"task.window=" + steps, "model.theta=" + theta});
  };
  constexpr double kMost = 5e-4;
  const TrainOutcome longer = window("1000", "999.5"), same = window("100", "99.5");
  ClaimResult result;
  result.ours = metric(longer.test, "mse");
  result.seeds = {longer.seed};
  result.holds = result.ours <= kMost;
  std::string lstm_text;
  const std::vector<std::string> delays = {"mse_0", "mse_25", "mse_50", "mse_75", "mse_100"};
  std::vector<std::pair<std::string, TrainOutcome>> shown = {{"LMU, 1000 steps", longer},
                                                             {"LMU, 100 steps", same}};
  if (lab.scale() != Scale::kQuick) {
    const TrainOutcome lstm = lab.train("lmu/capacity_lstm", {});
    result.baseline = metric(lstm.test, "mse");
    result.holds = result.holds && metric(same.test, "mse") < *result.baseline;
    lstm_text = fmt::format(" An LSTM of 100 units trained for {} updates on 100 steps: {:.3g}.",
                            lstm.steps, *result.baseline);
    shown.push_back({"LSTM, 100 steps", lstm});
  }
  result.detail = fmt::format(
      "Rule: an untrained memory of order 100 repeats a noise of 10 cycles a window after 0 to "
      "1000 steps with a mean squared error below {:g} (largest value 1), and a window of 100 "
      "steps "
      "better than a trained LSTM. Seen: {:.3g}; over 100 steps, where a cycle has but ten "
      "samples, "
      "{:.3g}.{}",
      kMost, result.ours, metric(same.test, "mse"), lstm_text);
  Json series = Json::array();
  for (size_t i = 0; i < shown.size(); ++i) {
    Json y = Json::array();
    for (const std::string& delay : delays) y.push_back(metric(shown[i].second.test, delay));
    series.push_back({{"name", shown[i].first},
                      {"x", {0, 25, 50, 75, 100}},
                      {"y", y},
                      {"color", i},
                      {"markers", true}});
  }
  result.figures.push_back({"Memory for a delayed noise",
                            "Error of the noise repeated after a part of the window.",
                            {{"kind", "lines"},
                             {"x", {{"label", "delay in percent of the window"}}},
                             {"y", {{"label", "mean squared error"}, {"log", true}}},
                             {"series", series}}});
  return result;
}

ClaimResult characters(Lab& lab) {
  const TrainOutcome run = lab.train("lmu/text_small", {});
  // 65 characters drawn at random cost 6.02 bits, at their own frequencies 4.8.
  constexpr double kMost = 2.6;
  ClaimResult result;
  result.ours = metric(run.test, "bpc");
  result.seeds = {run.seed};
  result.holds = result.ours <= kMost;
  result.detail = fmt::format(
      "Rule: the stack of LMU blocks predicts characters of Shakespeare at {} bits or less after "
      "two minutes of training on two cores. Seen: {:.3f} bits, {} updates in {:.0f} s.",
      kMost, result.ours, run.steps, run.seconds);
  result.figures.push_back(
      curves_figure("Characters of Shakespeare", "Bits per character of the validation text.",
                    "bpc", "bits per character", {{{"LMU blocks", "lmu/text_small", 0}, run}},
                    /*is_logarithmic=*/false));
  return result;
}

}  // namespace

std::vector<Claim> claims() {
  const std::vector<Scale> everywhere = {Scale::kQuick, Scale::kCpu};
  Claim quick_psmnist = {.name = "psmnist_subset",
                         .statement = "The parallel LMU learns permuted pixels from few images",
                         .kind = Claim::Kind::kFinding,
                         .quantity = "test accuracy in percent",
                         .scales = {Scale::kQuick},
                         .run = psmnist};
  return {
      {.name = "modes_equal",
       .statement = "All ways to compute the memory are one function",
       .quantity = "largest difference from the recurrent form, float32",
       .scales = everywhere,
       .run = modes},
      {.name = "final_state_speed",
       .statement = "Training by the final state is far faster than step by step",
       .quantity = "times faster",
       .paper = 200,
       .paper_source = "abstract: up to 200 times, all steps, on a GPU",
       .scales = everywhere,
       .run = speed},
      {.name = "window",
       .statement = "The memory holds the whole window",
       .quantity = "largest error of what is read back",
       .scales = everywhere,
       .run = window},
      quick_psmnist,
      {.name = "psmnist",
       .statement = "The parallel LMU at the paper’s size reads permuted pixels",
       .quantity = "test accuracy in percent",
       .paper = 98.49,
       .paper_source = "Table 2",
       .scales = {Scale::kCpu},
       .run = psmnist},
      {.name = "capacity",
       .statement = "An untrained memory holds a noise over a thousand steps",
       .quantity = "mean squared error; baseline: a trained LSTM over 100 steps",
       .scales = everywhere,
       .run = capacity_claim},
      {.name = "imdb",
       .statement = "A memory of order 1 on word vectors tells good films from bad",
       .quantity = "test accuracy in percent",
       .scales = {Scale::kCpu},
       .run = reviews},
      {.name = "text",
       .statement = "LMU blocks predict characters",
       .kind = Claim::Kind::kFinding,
       .quantity = "bits per character",
       .scales = {Scale::kCpu},
       .run = characters},
  };
}

}  // namespace tessera::lmu
