#pragma once

#include <vector>

#include "tessera/train/optimizer.h"

namespace tessera::train {

/// A moving average of the parameters: average ← decay · average + (1 − decay) · parameter.
class Ema {
 public:
  /// Starts at the parameters as they are.
  Ema(NamedParameters parameters, double decay);

  void update();
  /// Exchanges the values of parameters and averages; a second call undoes it.
  void swap();

  TensorMap state() const;
  void restore(const TensorMap& state);

 private:
  std::vector<std::string> names_;
  std::vector<at::Tensor> parameters_, averages_;
  double decay_;
};

}  // namespace tessera::train
