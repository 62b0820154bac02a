// The n-body experiment (paper, section 5.1): five charged particles, where are they 1000 steps on?
//
// quick   500 training systems, 1000 updates, one seed: the networks have not converged, the order
//         is clear all the same
// cpu     3000 systems, 9000 updates, three seeds
// paper   3000 systems, 300,000 updates, one seed: the paper's recipes

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tessera/systems/egnn/claim_figures.h"
#include "tessera/systems/egnn/claims.h"

namespace tessera::egnn {
namespace {

const Contestant kEgnn = {"EGNN", "egnn/nbody", 0};
const Contestant kGnn = {"GNN", "egnn/nbody_gnn", 1};
const Contestant kRadialField = {"Radial field", "egnn/nbody_radial_field", 2};
const Contestant kLinear = {"Linear", "egnn/nbody_linear", 3};

// Table 2.
constexpr double kPaperEgnn = 0.0071, kPaperRadialField = 0.0104, kPaperGnn = 0.0107,
                 kPaperLinear = 0.0819;

std::vector<int64_t> seeds_at(Scale scale) {
  return scale == Scale::kCpu ? std::vector<int64_t>{1, 2, 3} : std::vector<int64_t>{1};
}

// `updates` of batches of 100 on the first `train_size` systems, evaluated about 25 times.
std::vector<std::string> short_training(int64_t train_size, int64_t updates, int64_t seed) {
  const int64_t epochs = updates * 100 / train_size;
  return {fmt::format("task.train_size={}", train_size), fmt::format("train.epochs={}", epochs),
          fmt::format("train.evaluate_every={}", std::max<int64_t>(epochs / 25, 1)),
          fmt::format("train.seed={}", seed)};
}

std::vector<std::string> settings_at(Scale scale, int64_t seed) {
  if (scale == Scale::kPaper) return {fmt::format("train.seed={}", seed)};
  return scale == Scale::kCpu ? short_training(3000, 9000, seed) : short_training(500, 1000, seed);
}

// A contestant's trainings, one for each seed.
struct Trained {
  std::vector<TrainOutcome> runs;
  Spread mse;
};

Trained train(Lab& lab, const Contestant& contestant,
              const std::function<std::vector<std::string>(int64_t seed)>& settings) {
  Trained trained;
  std::vector<double> errors;
  for (const int64_t seed : seeds_at(lab.scale())) {
    trained.runs.push_back(lab.train(contestant.recipe, settings(seed)));
    errors.push_back(metric(trained.runs.back().test, "loss"));
  }
  trained.mse = spread_of(errors);
  return trained;
}

Trained train(Lab& lab, const Contestant& contestant) {
  return train(lab, contestant, [&](int64_t seed) { return settings_at(lab.scale(), seed); });
}

ClaimResult order(Lab& lab) {
  // At 1000 updates the authors' own modules show 2.1 and 2.6; with more training the radial field
  // and the GNN catch up (Table 2 itself has 1.46 and 1.51).
  const double margin = lab.scale() == Scale::kQuick ? 1.7 : 1.2;
  const Trained egnn = train(lab, kEgnn), radial_field = train(lab, kRadialField),
                gnn = train(lab, kGnn);
  const TrainOutcome linear =
      lab.train(kLinear.recipe, {"train.epochs=60", "train.evaluate_every=5"});
  const double linear_mse = metric(linear.test, "loss");
  const double runner_up = std::min(radial_field.mse.mean, gnn.mse.mean);

  ClaimResult result;
  result.ours = egnn.mse.mean;
  result.baseline = runner_up;
  result.seeds = seeds_at(lab.scale());
  result.holds = runner_up >= margin * egnn.mse.mean && gnn.mse.mean < linear_mse &&
                 std::abs(linear_mse - 0.0836) <= 0.001;
  result.detail = fmt::format(
      "Rule: EGNN is at least {} times below the radial field and the GNN, the GNN is below linear "
      "motion, and linear motion (one parameter, known exactly) is 0.0836 ± 0.001. Seen: EGNN "
      "{:.4f}, radial field {:.4f} ({:.2f} times EGNN), GNN {:.4f} ({:.2f} times), linear {:.4f}.",
      margin, egnn.mse.mean, radial_field.mse.mean, radial_field.mse.mean / egnn.mse.mean,
      gnn.mse.mean, gnn.mse.mean / egnn.mse.mean, linear_mse);

  const std::vector<std::pair<Contestant, TrainOutcome>> firsts = {
      {kEgnn, egnn.runs[0]}, {kRadialField, radial_field.runs[0]}, {kGnn, gnn.runs[0]}};
  result.figures.push_back(bars_figure(
      "Error on 2000 held-out systems",
      lab.scale() == Scale::kPaper
          ? "Mean squared error of the particles’ positions, and Table 2 of the paper."
          : "Mean squared error of the particles’ positions. The paper’s values are of trainings "
            "of 300,000 updates.",
      "test MSE", {"EGNN", "Radial field", "GNN", "Linear"},
      {egnn.mse, radial_field.mse, gnn.mse, {linear_mse, 0}},
      {kPaperEgnn, kPaperRadialField, kPaperGnn, kPaperLinear}));
  result.figures.push_back(curves_figure("While they learn",
                                         "Mean squared error on the validation split, first seed.",
                                         "loss", "validation MSE", firsts));
  result.figures.push_back(trajectories_figure({firsts[0], firsts[2]}, 3));
  return result;
}

// A batch moved by x → x Qᵀ + g: what a model that takes positions and velocities sees then.
TensorMap moved(const TensorMap& batch, const at::Tensor& q, const at::Tensor& g) {
  const at::Tensor x = at::matmul(batch.at("x"), q.t()) + g;
  const at::Tensor vel = at::matmul(batch.at("vel"), q.t());
  TensorMap result = batch;
  result.set("x", x);
  result.set("vel", vel);
  // The GNN's features are coordinates themselves; EGNN's are speeds, which do not change.
  if (batch.at("h").size(1) == 6) result.set("h", at::cat({x, vel}, 1));
  return result;
}

// ‖f(Q x + g) − (Q f(x) + g)‖ / ‖f(x) − mean of x‖ over 100 test systems.
class EquivarianceTest {
 public:
  explicit EquivarianceTest(const TrainOutcome& outcome) : model_(*outcome.model) {
    std::vector<int64_t> examples(100);
    std::iota(examples.begin(), examples.end(), 0);
    batch_ = test_batch(*outcome.task, examples);
    still_ = model_.run(batch_).at("x");
    size_ = (still_ - batch_.at("x").mean(0)).norm().item<double>();
  }

  double error(const at::Tensor& q, const at::Tensor& g) {
    const at::Tensor expected = at::matmul(still_, q.t()) + g;
    return (model_.run(moved(batch_, q, g)).at("x") - expected).norm().item<double>() / size_;
  }

  // The largest over random motions, half of them with a reflection.
  double worst_error() {
    at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(0);
    double worst = 0;
    for (int motion = 0; motion < 10; ++motion) {
      const auto options = still_.options();
      at::Tensor q = std::get<0>(at::linalg_qr(at::randn({3, 3}, generator, options)));
      if (motion % 2 == 0) q = -q;
      worst = std::max(worst, error(q, at::randn({3}, generator, options)));
    }
    return worst;
  }

  // Turned about the z axis.
  double error_at(double degrees) {
    const auto angle = static_cast<float>(degrees * M_PI / 180);
    const float c = std::cos(angle), s = std::sin(angle);
    const at::Tensor q = at::tensor({c, -s, 0.f, s, c, 0.f, 0.f, 0.f, 1.f}).view({3, 3});
    return error(q.to(still_), at::zeros({3}, still_.options()));
  }

 private:
  Model& model_;
  TensorMap batch_;
  at::Tensor still_;
  double size_;
};

ClaimResult equivariance(Lab& lab) {
  constexpr double kRounding = 1e-5, kVisible = 0.05;
  const TrainOutcome egnn_run = train(lab, kEgnn).runs[0], gnn_run = train(lab, kGnn).runs[0];
  const at::NoGradGuard no_grad;
  EquivarianceTest egnn_test(egnn_run), gnn_test(gnn_run);
  const double egnn = egnn_test.worst_error(), gnn = gnn_test.worst_error();

  Measured egnn_curve{.contestant = kEgnn}, gnn_curve{.contestant = kGnn};
  for (double degrees = 15; degrees <= 180; degrees += 15) {
    egnn_curve.x.push_back(degrees);
    egnn_curve.y.push_back({egnn_test.error_at(degrees), 0});
    gnn_curve.x.push_back(degrees);
    gnn_curve.y.push_back({gnn_test.error_at(degrees), 0});
  }
  Figure figure =
      scaling_figure("When the systems are turned",
                     "How far predictions for turned systems are from the turned predictions.",
                     "angle of rotation in degrees", "relative error", {egnn_curve, gnn_curve});
  figure.plot["x"]["log"] = false;
  return {.ours = egnn,
          .baseline = gnn,
          .holds = egnn < kRounding && gnn > kVisible,
          .detail = fmt::format(
              "Rule: over ten random motions (rotations, reflections, translations) of 100 test "
              "systems, the trained EGNN’s predictions move along up to float32 rounding (below "
              "{:g}, relative), the trained GNN’s do not (above {:g}). Seen: EGNN {:.2g}, GNN "
              "{:.2g}.",
              kRounding, kVisible, egnn, gnn),
          .seeds = {seeds_at(lab.scale())[0]},
          .figures = {std::move(figure)}};
}

ClaimResult data_efficiency(Lab& lab) {
  const bool is_quick = lab.scale() == Scale::kQuick;
  const std::vector<int64_t> sizes =
      is_quick ? std::vector<int64_t>{100, 200, 500} : std::vector<int64_t>{100, 300, 1000};
  const int64_t updates = is_quick ? 1000 : 3000;
  const std::vector<Contestant> contestants = {kEgnn, kRadialField, kGnn};

  std::vector<Measured> measured;
  for (const Contestant& contestant : contestants) {
    Measured row{.contestant = contestant};
    for (const int64_t size : sizes) {
      row.x.push_back(static_cast<double>(size));
      row.y.push_back(train(lab, contestant, [&](int64_t seed) {
                        return short_training(size, updates, seed);
                      }).mse);
    }
    measured.push_back(std::move(row));
  }
  const std::vector<Spread>&egnn = measured[0].y, &radial_field = measured[1].y,
        &gnn = measured[2].y;
  double least_gain = 1e9;
  for (size_t i = 0; i < sizes.size(); ++i) {
    least_gain = std::min(least_gain, std::min(radial_field[i].mean, gnn[i].mean) / egnn[i].mean);
  }
  ClaimResult result;
  result.ours = egnn.front().mean;
  result.baseline = gnn.back().mean;
  result.seeds = seeds_at(lab.scale());
  result.holds = least_gain > 1 && egnn.front().mean < gnn.back().mean;
  result.detail = fmt::format(
      "Rule: at every size EGNN is the best of the three, and EGNN with {} training systems beats "
      "the GNN with {}. {} updates each. Seen: EGNN {:.4f} with {} systems, GNN {:.4f} with {}; "
      "the "
      "nearest baseline is at least {:.2f} times EGNN’s error.",
      sizes.front(), sizes.back(), updates, egnn.front().mean, sizes.front(), gnn.back().mean,
      sizes.back(), least_gain);
  result.figures.push_back(scaling_figure(
      "Error against the size of the training set",
      fmt::format("Test error after {} updates; bars: standard deviation over seeds, where there "
                  "are several.",
                  updates),
      "training systems", "test MSE", measured));
  return result;
}

ClaimResult paper_figure(Lab& lab) {
  const Trained egnn = train(lab, kEgnn);
  const TrainOutcome& run = egnn.runs[0];
  ClaimResult result;
  result.ours = egnn.mse.mean;
  result.seeds = seeds_at(lab.scale());
  result.holds = egnn.mse.mean <= 1.05 * kPaperEgnn;
  result.detail = fmt::format(
      "Rule: at most 5 % above the paper’s {}. Seen: {:.5f} at the best validation value of {} "
      "updates, trained in {:.0f} minutes.",
      kPaperEgnn, egnn.mse.mean, run.steps, run.seconds / 60);
  result.figures.push_back(curves_figure("The whole training",
                                         "Mean squared error on the validation split.", "loss",
                                         "validation MSE", {{kEgnn, run}}));
  result.figures.push_back(trajectories_figure({{kEgnn, run}}, 3));
  return result;
}

}  // namespace

std::vector<Claim> nbody_claims() {
  return {
      {.name = "nbody_paper",
       .statement = "EGNN reaches the paper’s error on the n-body problem",
       .kind = Claim::Kind::kFinding,
       .quantity = "EGNN’s test MSE",
       .paper = kPaperEgnn,
       .paper_source = "Table 2",
       .scales = {Scale::kPaper},
       .run = paper_figure},
      {.name = "nbody_order",
       .statement = "Predicting particles: EGNN beats the radial field and the GNN, which beats "
                    "linear motion",
       .quantity = "test MSE; baseline: the better of radial field and GNN",
       .paper = kPaperEgnn,
       .paper_source = "Table 2, 300,000 updates",
       .scales = {Scale::kQuick, Scale::kCpu, Scale::kPaper},
       .run = order},
      {.name = "nbody_equivariance",
       .statement = "A trained EGNN moves with its input; a trained GNN does not",
       .quantity = "relative error of predictions under motions; baseline: GNN",
       .scales = {Scale::kQuick, Scale::kCpu},
       .run = equivariance},
      {.name = "data_efficiency",
       .statement = "EGNN needs fewer training systems than its baselines",
       .quantity = "test MSE of EGNN with the fewest systems; baseline: GNN with the most",
       .scales = {Scale::kQuick, Scale::kCpu},
       .run = data_efficiency},
  };
}

}  // namespace tessera::egnn
