#include "tessera/systems/lmu/form_choice.h"

#include <cmath>

namespace tessera::lmu {

bool folding_is_faster(const MemoryShape& shape) {
  const auto R = static_cast<double>(shape.batch), T = static_cast<double>(shape.length),
             N = static_cast<double>(shape.order), H = static_cast<double>(shape.outputs);
  double padded = 2;
  while (padded < 2 * T - 1) padded *= 2;
  const double points = padded * std::log2(padded);
  // Nanoseconds, by dev/lmu/fit_modes.py: a call, transforms, results, products.
  const double states = 2.2e4 + 0.103 * (R + N + R * N) * points + 0.026 * R * T * N * H;
  const double folded =
      2.35e4 + 0.0709 * (R + H + R * H) * points + 0.847 * R * T * H + 0.0303 * T * N * H;
  return folded < states;
}

}  // namespace tessera::lmu
