#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tessera/systems/claim.h"

// Figures that claims of any system draw, and what they are drawn from.

namespace tessera {

/// The colour of what is given: the truth, the paper's values.
inline constexpr int kTruthColor = 7;

/// One of the networks that are compared, the same in every figure.
struct Contestant {
  std::string name;    ///< in figures: "EGNN"
  std::string recipe;  ///< "egnn/nbody"
  int color = 0;
};

/// Mean and standard deviation over seeds; 0 for one seed.
struct Spread {
  double mean = 0, deviation = 0;
};
Spread spread_of(const std::vector<double>& values);

/// Values of one contestant at some places of the x axis.
struct Measured {
  Contestant contestant;
  std::vector<double> x;
  std::vector<Spread> y;
};

/// A metric of the validation split over the epochs of each training; the y axis is logarithmic
/// unless told otherwise.
Figure curves_figure(std::string title, std::string caption, const std::string& metric,
                     const std::string& y_label,
                     const std::vector<std::pair<Contestant, TrainOutcome>>& trainings,
                     bool is_logarithmic = true);

/// Measured values against a logarithmic x, with the spread over seeds.
Figure scaling_figure(std::string title, std::string caption, const std::string& x_label,
                      const std::string& y_label, const std::vector<Measured>& measured);

/// One bar for each contestant, beside the paper's.
Figure bars_figure(std::string title, std::string caption, const std::string& y_label,
                   const std::vector<std::string>& names, const std::vector<Spread>& here,
                   const std::vector<double>& paper);

/// A batch of the test split, with the noise that evaluations use.
TensorMap test_batch(const Task& task, const std::vector<int64_t>& examples);

}  // namespace tessera
