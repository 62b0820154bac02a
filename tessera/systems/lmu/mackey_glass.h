#pragma once

#include <ATen/core/Tensor.h>

#include "tessera/core/config.h"

namespace tessera::lmu {

/// The chaotic series dx/dt = 0.2 x(t−τ)/(1+x(t−τ)^10) − 0.1 x as the 2019 experiment draws it.
struct MackeyGlassConfig : Config {
  int64_t num_samples = 128;
  int64_t length = 5000;
  double tau = 17;
  int64_t delta_t = 10;
  int64_t predict_len = 15;
  int64_t washout = 100;
  int64_t seed = 0;
  bool center = true;

  void fields(FieldList& list) override;
};

struct MackeyGlass {
  at::Tensor x, y;  ///< (num_samples, length, 1) double; y is x, predict_len steps on
};

/// Digit for digit the authors' series: Euler steps of 1/delta_t, NumPy's legacy stream, the
/// current value carried over from series to series. A negative predict_len asks for the past,
/// which the experiment as first published did.
MackeyGlass mackey_glass(const MackeyGlassConfig& config);

}  // namespace tessera::lmu
