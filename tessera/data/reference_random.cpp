#include "tessera/data/reference_random.h"

#include <bit>
#include <cmath>
#include <numeric>

namespace tessera::data {

NumpyRandom::Polar NumpyRandom::draw_polar() {
  for (;;) {
    const double x1 = 2.0 * engine_.uniform() - 1.0;
    const double x2 = 2.0 * engine_.uniform() - 1.0;
    const double r2 = x1 * x1 + x2 * x2;
    if (r2 < 1.0 && r2 != 0.0) return {x1, x2, r2};
  }
}

double NumpyRandom::normal() {
  if (kept_normal_) {
    const double value = *kept_normal_;
    kept_normal_.reset();
    return value;
  }
  const auto [x1, x2, r2] = draw_polar();
  const double scale = std::sqrt(-2.0 * std::log(r2) / r2);
  kept_normal_ = scale * x1;
  return scale * x2;
}

void NumpyRandom::skip_normals(uint64_t count) {
  if (count > 0 && kept_normal_) {
    kept_normal_.reset();
    --count;
  }
  for (; count >= 2; count -= 2) draw_polar();
  if (count == 1) normal();
}

uint32_t NumpyRandom::below(uint64_t bound) {
  const auto largest = static_cast<uint32_t>(bound - 1);
  if (largest == 0) return 0;
  const auto mask = static_cast<uint32_t>(std::bit_ceil(uint64_t{largest} + 1) - 1);
  for (;;) {
    const uint32_t value = engine_.next() & mask;
    if (value <= largest) return value;
  }
}

size_t NumpyRandom::choice(std::span<const double> probabilities) {
  const double total = std::accumulate(probabilities.begin(), probabilities.end(), 0.0);
  const double u = uniform();
  double cumulative = 0;
  for (size_t i = 0; i < probabilities.size(); ++i) {
    cumulative += probabilities[i];
    if (u < cumulative / total) return i;
  }
  return probabilities.size() - 1;
}

std::vector<int64_t> NumpyRandom::permutation(int64_t n) {
  std::vector<int64_t> items(static_cast<size_t>(n));
  std::iota(items.begin(), items.end(), 0);
  for (size_t i = items.size(); i-- > 1;) std::swap(items[i], items[below(i + 1)]);
  return items;
}

uint32_t PythonRandom::below(uint32_t bound) {
  const int bits = std::bit_width(bound);
  for (;;) {
    const uint32_t value = engine_.next() >> (32 - bits);
    if (value < bound) return value;
  }
}

}  // namespace tessera::data
