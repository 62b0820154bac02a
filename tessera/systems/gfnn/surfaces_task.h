#pragma once

#include <cstdint>
#include <string>

#include "tessera/core/config.h"
#include "tessera/systems/task.h"

namespace tessera::gfnn {

/// Regression of a generated surface with one gross feature and a small local one.
struct SurfacesConfig final : Config {
  std::string surface = "regions";
  int64_t train_size = 20000, valid_size = 1000, test_size = 5000;
  int64_t seed = 0;

  void fields(FieldList& list) override;
};

/// 1 where the small feature of a surface lies: hill u < -0.25; regions |u| > 0.3; disc r² > 0.49.
at::Tensor is_fine(const std::string& surface, const at::Tensor& u, const at::Tensor& v);

/// x = g = (u, v), (B, 2), uniform in [-1, 1]², and target (B, 1) → "y" (B, 1). Metrics: loss (mean
/// squared error), rmse, and rmse_fine of the points in the small feature.
TaskFactory surfaces_task();

}  // namespace tessera::gfnn
