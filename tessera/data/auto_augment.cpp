#include "tessera/data/auto_augment.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tessera/data/dice.h"

namespace tessera::data {
namespace {

using enum Operation;

constexpr uint8_t kGrey = 128;
constexpr int64_t kLevels = 9;  // above 0

/// One image's pixels, channel after channel.
struct Pixels {
  uint8_t* data;
  int64_t height, width;

  uint8_t* channel(int64_t c) const { return data + c * height * width; }
  int64_t area() const { return height * width; }
};

uint8_t clamped(int64_t value) { return static_cast<uint8_t>(std::clamp<int64_t>(value, 0, 255)); }

// ---- Geometry: pixel (x, y) of the result is taken from (a·x + b·y + c, d·x + e·y + f)
// -------------

using Affine = std::array<double, 6>;

double cubic(double v1, double v2, double v3, double v4, double d) {
  return v2 + d * (v3 - v1 + d * (2 * (v1 - v2) + v3 - v4 + d * (v2 - v1 + v4 - v3)));
}

/// The value at a place whose pixel centres are at halves; the border's pixels go on outside.
uint8_t bicubic(const uint8_t* channel, const Pixels& from, double x_in, double y_in) {
  const double x = x_in - 0.5, y = y_in - 0.5;
  const auto left = static_cast<int64_t>(std::floor(x)), top = static_cast<int64_t>(std::floor(y));
  const double dx = x - static_cast<double>(left), dy = y - static_cast<double>(top);
  const auto row = [&](int64_t index) {
    const uint8_t* start = channel + std::clamp<int64_t>(index, 0, from.height - 1) * from.width;
    const auto at = [&](int64_t i) {
      return static_cast<double>(start[std::clamp<int64_t>(i, 0, from.width - 1)]);
    };
    return cubic(at(left - 1), at(left), at(left + 1), at(left + 2), dx);
  };
  const double value = cubic(row(top - 1), row(top), row(top + 1), row(top + 2), dy);
  return value <= 0 ? 0 : value >= 255 ? 255 : static_cast<uint8_t>(value);
}

void shear(const Pixels& from, const Pixels& to, const Affine& m) {
  for (int64_t y = 0; y < to.height; ++y) {
    for (int64_t x = 0; x < to.width; ++x) {
      const double px = static_cast<double>(x) + 0.5, py = static_cast<double>(y) + 0.5;
      const double x_in = m[0] * px + m[1] * py + m[2], y_in = m[3] * px + m[4] * py + m[5];
      const bool is_inside = x_in >= 0 && x_in < static_cast<double>(from.width) && y_in >= 0 &&
                             y_in < static_cast<double>(from.height);
      for (int64_t c = 0; c < 3; ++c) {
        to.channel(c)[y * to.width + x] =
            is_inside ? bicubic(from.channel(c), from, x_in, y_in) : kGrey;
      }
    }
  }
}

/// The nearest pixel, in 16.16 fixed point as Pillow counts.
void nearest(const Pixels& from, const Pixels& to, const Affine& m) {
  const auto fixed = [](double v) { return static_cast<int64_t>(std::floor(v * 65536 + 0.5)); };
  const int64_t a = fixed(m[0]), b = fixed(m[1]), d = fixed(m[3]), e = fixed(m[4]);
  int64_t row_x = fixed(m[2] + (m[0] + m[1]) * 0.5), row_y = fixed(m[5] + (m[3] + m[4]) * 0.5);
  for (int64_t y = 0; y < to.height; ++y, row_x += b, row_y += e) {
    int64_t x_in = row_x, y_in = row_y;
    for (int64_t x = 0; x < to.width; ++x, x_in += a, y_in += d) {
      const int64_t sx = x_in >> 16, sy = y_in >> 16;
      const bool is_inside = sx >= 0 && sx < from.width && sy >= 0 && sy < from.height;
      for (int64_t c = 0; c < 3; ++c) {
        to.channel(c)[y * to.width + x] = is_inside ? from.channel(c)[sy * from.width + sx] : kGrey;
      }
    }
  }
}

Affine rotation(const Pixels& image, double degrees) {
  const double angle = -degrees * std::numbers::pi / 180;
  const double cosine = std::cos(angle), sine = std::sin(angle);
  const double x = static_cast<double>(image.width) / 2, y = static_cast<double>(image.height) / 2;
  return {cosine, sine, x - cosine * x - sine * y, -sine, cosine, y + sine * x - cosine * y};
}

// ---- Levels
// ----------------------------------------------------------------------------------------

/// from + factor·(image − from), towards zero, in float as Pillow blends.
void blend(const Pixels& from, const Pixels& to, double factor) {
  const auto alpha = static_cast<float>(factor);
  for (int64_t i = 0; i < 3 * to.area(); ++i) {
    const auto base = static_cast<float>(from.data[i]);
    const float value = base + alpha * (static_cast<float>(to.data[i]) - base);
    to.data[i] = value <= 0 ? 0 : value >= 255 ? 255 : static_cast<uint8_t>(value);
  }
}

uint8_t luma(const Pixels& image, int64_t i) {
  const uint32_t sum = image.channel(0)[i] * 19595u + image.channel(1)[i] * 38470u +
                       image.channel(2)[i] * 7471u + 0x8000u;
  return static_cast<uint8_t>(sum >> 16);
}

/// Into `out`: what the image is blended with.
void greyed(const Pixels& image, const Pixels& out) {
  for (int64_t i = 0; i < image.area(); ++i) {
    const uint8_t grey = luma(image, i);
    for (int64_t c = 0; c < 3; ++c) out.channel(c)[i] = grey;
  }
}

void mean_grey(const Pixels& image, const Pixels& out) {
  int64_t sum = 0;
  for (int64_t i = 0; i < image.area(); ++i) sum += luma(image, i);
  const auto mean =
      static_cast<int64_t>(static_cast<double>(sum) / static_cast<double>(image.area()) + 0.5);
  std::fill_n(out.data, 3 * out.area(), clamped(mean));
}

/// The 3×3 mean with a weight of 5 in the middle; the border stays.
void smoothed(const Pixels& image, const Pixels& out) {
  const int64_t w = image.width;
  std::copy_n(image.data, 3 * image.area(), out.data);
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t y = 1; y < image.height - 1; ++y) {
      for (int64_t x = 1; x < w - 1; ++x) {
        const uint8_t* p = image.channel(c) + y * w + x;
        const int sum =
            p[-w - 1] + p[-w] + p[-w + 1] + p[-1] + 5 * p[0] + p[1] + p[w - 1] + p[w] + p[w + 1];
        out.channel(c)[y * w + x] = static_cast<uint8_t>((2 * sum + 13) / 26);
      }
    }
  }
}

using Table = std::array<uint8_t, 256>;

template <class Function>
Table table_of(const Function& function) {
  Table table;
  for (int64_t i = 0; i < 256; ++i) table[static_cast<size_t>(i)] = clamped(function(i));
  return table;
}

void look_up(uint8_t* channel, int64_t count, const Table& table) {
  for (int64_t i = 0; i < count; ++i) channel[i] = table[channel[i]];
}

void auto_contrast(uint8_t* channel, int64_t count) {
  const auto [low, high] = std::minmax_element(channel, channel + count);
  if (*low == *high) return;
  const double scale = 255.0 / (*high - *low), offset = -static_cast<double>(*low) * scale;
  look_up(channel, count, table_of([&](int64_t i) {
            return static_cast<int64_t>(static_cast<double>(i) * scale + offset);
          }));
}

void equalize(uint8_t* channel, int64_t count) {
  std::array<int64_t, 256> histogram{};
  for (int64_t i = 0; i < count; ++i) ++histogram[channel[i]];
  const uint8_t largest = *std::max_element(channel, channel + count);
  const int64_t step = (count - histogram[largest]) / 255;
  if (step == 0) return;
  int64_t sum = step / 2;
  look_up(channel, count, table_of([&](int64_t i) {
            const int64_t value = sum / step;
            sum += histogram[static_cast<size_t>(i)];
            return value;
          }));
}

bool has_sign(Operation operation) {
  switch (operation) {
    case kShearX:
    case kShearY:
    case kTranslateX:
    case kTranslateY:
    case kColor:
    case kContrast:
    case kSharpness:
    case kBrightness:
      return true;
    default:
      return false;
  }
}

/// `to` holds the image on entry, and the result; `from` is another copy.
void compute(Operation operation, double strength, const Pixels& from, const Pixels& to) {
  const auto each_channel = [&](auto function) {
    for (int64_t c = 0; c < 3; ++c) function(to.channel(c), to.area());
  };
  const auto mapped = [&](auto function) {
    const Table table = table_of(function);
    look_up(to.data, 3 * to.area(), table);
  };
  // The blended partner goes over the copy.
  const auto enhance = [&](auto partner) {
    partner(to, from);
    blend(from, to, 1 + strength);
  };
  switch (operation) {
    case kShearX:
      return shear(from, to, {1, strength, 0, 0, 1, 0});
    case kShearY:
      return shear(from, to, {1, 0, 0, strength, 1, 0});
    case kTranslateX:
      return nearest(from, to, {1, 0, strength * static_cast<double>(to.width), 0, 1, 0});
    case kTranslateY:
      return nearest(from, to, {1, 0, 0, 0, 1, strength * static_cast<double>(to.height)});
    case kRotate:
      return nearest(from, to, rotation(to, strength));
    case kColor:
      return enhance(greyed);
    case kContrast:
      return enhance(mean_grey);
    case kSharpness:
      return enhance(smoothed);
    case kBrightness:
      return enhance([](const Pixels&, const Pixels& out) {
        std::fill_n(out.data, 3 * out.area(), uint8_t{0});
      });
    case kPosterize: {
      const int64_t dropped = 8 - static_cast<int64_t>(strength);
      return mapped([&](int64_t i) { return i >> dropped << dropped; });
    }
    case kSolarize:
      return mapped(
          [&](int64_t i) { return static_cast<double>(i) < strength ? i : int64_t{255} - i; });
    case kAutoContrast:
      return each_channel(auto_contrast);
    case kEqualize:
      return each_channel(equalize);
    case kInvert:
      return mapped([](int64_t i) { return int64_t{255} - i; });
  }
}

}  // namespace

const std::array<SubPolicy, 25>& cifar10_policy() {
  static const std::array<SubPolicy, 25> policy = {{
      {{{kInvert, 0.1, 7}, {kContrast, 0.2, 6}}},
      {{{kRotate, 0.7, 2}, {kTranslateX, 0.3, 9}}},
      {{{kSharpness, 0.8, 1}, {kSharpness, 0.9, 3}}},
      {{{kShearY, 0.5, 8}, {kTranslateY, 0.7, 9}}},
      {{{kAutoContrast, 0.5, 8}, {kEqualize, 0.9, 2}}},
      {{{kShearY, 0.2, 7}, {kPosterize, 0.3, 7}}},
      {{{kColor, 0.4, 3}, {kBrightness, 0.6, 7}}},
      {{{kSharpness, 0.3, 9}, {kBrightness, 0.7, 9}}},
      {{{kEqualize, 0.6, 5}, {kEqualize, 0.5, 1}}},
      {{{kContrast, 0.6, 7}, {kSharpness, 0.6, 5}}},
      {{{kColor, 0.7, 7}, {kTranslateX, 0.5, 8}}},
      {{{kEqualize, 0.3, 7}, {kAutoContrast, 0.4, 8}}},
      {{{kTranslateY, 0.4, 3}, {kSharpness, 0.2, 6}}},
      {{{kBrightness, 0.9, 6}, {kColor, 0.2, 8}}},
      {{{kSolarize, 0.5, 2}, {kInvert, 0.0, 3}}},
      {{{kEqualize, 0.2, 0}, {kAutoContrast, 0.6, 0}}},
      {{{kEqualize, 0.2, 8}, {kEqualize, 0.8, 4}}},
      {{{kColor, 0.9, 9}, {kEqualize, 0.6, 6}}},
      {{{kAutoContrast, 0.8, 4}, {kSolarize, 0.2, 8}}},
      {{{kBrightness, 0.1, 3}, {kColor, 0.7, 0}}},
      {{{kSolarize, 0.4, 5}, {kAutoContrast, 0.9, 3}}},
      {{{kTranslateY, 0.9, 9}, {kTranslateY, 0.7, 9}}},
      {{{kAutoContrast, 0.9, 2}, {kSolarize, 0.8, 3}}},
      {{{kEqualize, 0.8, 8}, {kInvert, 0.1, 3}}},
      {{{kTranslateY, 0.7, 9}, {kAutoContrast, 0.9, 1}}},
  }};
  return policy;
}

double magnitude(Operation operation, int64_t level) {
  const double part = static_cast<double>(level) / kLevels;
  switch (operation) {
    case kShearX:
    case kShearY:
      return 0.3 * part;
    case kTranslateX:
    case kTranslateY:
      return 150.0 / 331.0 * part;
    case kRotate:
      return 30 * part;
    case kColor:
    case kContrast:
    case kSharpness:
    case kBrightness:
      return 0.9 * part;
    case kPosterize:
      return std::nearbyint(8 - 4 * part);
    case kSolarize:
      return 256 - 256 * part;
    case kAutoContrast:
    case kEqualize:
    case kInvert:
      return 0;
  }
  return 0;
}

at::Tensor transformed(const at::Tensor& image, Operation operation, double strength) {
  const at::Tensor from = image.contiguous().clone(), to = from.clone();
  const auto pixels = [](const at::Tensor& t) {
    return Pixels{t.mutable_data_ptr<uint8_t>(), t.size(1), t.size(2)};
  };
  compute(operation, strength, pixels(from), pixels(to));
  return to;
}

at::Tensor auto_augmented(const at::Tensor& image, uint64_t seed) {
  Dice dice(seed, "auto_augment");
  const auto& policy = cifar10_policy();
  at::Tensor result = image;
  const auto chosen = static_cast<size_t>(dice.below(static_cast<int64_t>(policy.size())));
  for (const PolicyStep& step : policy[chosen]) {
    const bool is_done = dice.uniform() < step.probability;
    // Drawn whether it is needed or not: the second step does not depend on the first.
    const bool is_negative = dice.is_heads() && has_sign(step.operation);
    const double strength = magnitude(step.operation, step.level);
    if (is_done) result = transformed(result, step.operation, is_negative ? -strength : strength);
  }
  return result;
}

}  // namespace tessera::data
