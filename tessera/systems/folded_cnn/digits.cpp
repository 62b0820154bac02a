#include "tessera/systems/folded_cnn/digits.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <array>

#include "tessera/core/rng.h"

namespace tessera::folded_cnn {
namespace {

constexpr int64_t kRows = 19, kColumns = 25, kGlyphRows = 7, kGlyphColumns = 5, kSize = 2;

// Rows from the top; the leftmost column is the highest of five bits.
constexpr std::array<std::array<uint8_t, kGlyphRows>, 10> kFont = {{
    {14, 17, 19, 21, 25, 17, 14},
    {4, 12, 4, 4, 4, 4, 14},
    {14, 17, 1, 2, 4, 8, 31},
    {31, 2, 4, 2, 1, 17, 14},
    {2, 6, 10, 18, 31, 2, 2},
    {31, 16, 30, 1, 1, 17, 14},
    {6, 8, 16, 30, 17, 17, 14},
    {31, 1, 2, 4, 8, 8, 8},
    {14, 17, 17, 14, 17, 17, 14},
    {14, 17, 17, 15, 1, 2, 12},
}};

/// (10, 14, 10): the glyphs at double size, 0 and 1.
at::Tensor glyphs() {
  const at::Tensor table = at::zeros({10, kGlyphRows, kGlyphColumns});
  for (int64_t digit = 0; digit < 10; ++digit) {
    for (int64_t row = 0; row < kGlyphRows; ++row) {
      const uint8_t bits = kFont[static_cast<size_t>(digit)][static_cast<size_t>(row)];
      for (int64_t column = 0; column < kGlyphColumns; ++column) {
        if (bits >> (kGlyphColumns - 1 - column) & 1) table[digit][row][column] = 1;
      }
    }
  }
  return table.repeat_interleave(kSize, 1).repeat_interleave(kSize, 2);
}

}  // namespace

data::LabelledImages make_digits(int64_t count, uint64_t seed, int64_t first) {
  const at::Tensor glyph_table = glyphs();
  const int64_t height = kSize * kGlyphRows, width = kSize * kGlyphColumns;
  const at::Tensor images = at::empty({count, 3, kRows, kColumns}, at::kByte);
  const at::Tensor labels = at::empty({count}, at::kLong);
  for (int64_t i = 0; i < count; ++i) {
    // Each image from its own stream, so that the first images are the same however many there are.
    auto generator =
        at::detail::createCPUGenerator(stream_seed(seed, "digit " + std::to_string(first + i)));
    const at::Tensor draw = at::rand({5}, generator, at::kDouble);
    const double* u = draw.const_data_ptr<double>();
    const auto digit = static_cast<int64_t>(u[0] * 10);
    const auto row = static_cast<int64_t>(u[1] * static_cast<double>(kRows - height + 1));
    const auto column = static_cast<int64_t>(u[2] * static_cast<double>(kColumns - width + 1));
    const double background = 0.6 * u[3], contrast = 0.35 + 0.05 * u[4];
    at::Tensor image = at::randn({3, kRows, kColumns}, generator) * 0.08 + background;
    image.narrow(1, row, height).narrow(2, column, width).add_(glyph_table[digit], contrast);
    images[i].copy_((image.clamp(0, 1) * 255).round());
    labels[i] = digit;
  }
  return {images, labels, 10};
}

}  // namespace tessera::folded_cnn
