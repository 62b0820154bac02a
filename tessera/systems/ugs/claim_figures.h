#pragma once

#include <string>
#include <vector>

#include "tessera/systems/figures.h"

namespace tessera::ugs {

/// One pruning schedule of one seed, round by round.
struct Curve {
  std::vector<double> rounds, edges_left, weights_left, macs, test;
};
Curve curve_of(const TrainOutcome& outcome);

/// The schedules of one method, a curve for each seed.
struct Method {
  std::string name;
  int color = 0;
  std::vector<Curve> seeds;

  Spread test(size_t round) const;  ///< counted from 0
  size_t rounds() const;
};

/// Test accuracy after each round, with the spread over seeds; `dense` is a dashed line.
Figure round_figure(const std::string& title, const std::vector<Method>& methods, double dense,
                    const std::string& y_label = "test accuracy, %");
/// The same against the multiplications of the weight products.
Figure macs_figure(const std::string& title, const std::vector<Method>& methods,
                   const std::string& y_label = "test accuracy, %");

/// The neighbourhood of the node with most edges, what is left of it and what is gone.
Figure graph_figure(const std::string& title, const at::Tensor& edges, const at::Tensor& hard,
                    int64_t num_nodes);
/// How many nodes have how many edges, before and after.
Figure degree_figure(const std::string& title, const at::Tensor& edges, const at::Tensor& hard,
                     int64_t num_nodes);

}  // namespace tessera::ugs
