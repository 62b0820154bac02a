#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "tessera/data/mt19937.h"

namespace tessera::data {

/// The stream of `numpy.random.seed(s)` (the legacy RandomState), bit for bit. Authors' data sets
/// are drawn from it.
class NumpyRandom {
 public:
  explicit NumpyRandom(uint32_t seed) { engine_.seed(seed); }

  /// random_sample(): in [0, 1).
  double uniform() { return engine_.uniform(); }
  /// standard_normal(), by Marsaglia's polar method: pairs, of which one is kept for the next call.
  double normal();
  /// As `count` calls of normal(), without the logarithms.
  void skip_normals(uint64_t count);
  /// randint(0, bound) and choice of `bound` things, by masked rejection. 1 ≤ bound ≤ 2³².
  uint32_t below(uint64_t bound);
  /// choice(len(p), p=p): the first index whose cumulative probability exceeds a uniform.
  size_t choice(std::span<const double> probabilities);
  /// permutation(n).
  std::vector<int64_t> permutation(int64_t n);

 private:
  /// An accepted point of the unit disc and its squared radius.
  struct Polar {
    double x1, x2, r2;
  };
  Polar draw_polar();

  Mt19937 engine_;
  std::optional<double> kept_normal_;
};

/// The stream of CPython's `random.seed(k)` for an integer k ≥ 0, bit for bit.
class PythonRandom {
 public:
  explicit PythonRandom(uint64_t seed) { engine_.seed_by_array(seed); }

  /// random(): in [0, 1).
  double uniform() { return engine_.uniform(); }
  /// randrange(bound): the top bits of an output until below the bound. 1 ≤ bound < 2³².
  uint32_t below(uint32_t bound);

  /// shuffle().
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i-- > 1;) {
      std::swap(items[i], items[below(static_cast<uint32_t>(i + 1))]);
    }
  }

 private:
  Mt19937 engine_;
};

}  // namespace tessera::data
