// What the decoders make of pictures that other encoders wrote; damage is corpus_test.cpp's.

#include <gtest/gtest.h>
#include <png.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <jpeglib.h>

#include "tessera/core/error.h"
#include "tessera/io/jpeg.h"
#include "tessera/io/png.h"

namespace tessera::io {
namespace {

std::span<const std::byte> bytes_of(const std::vector<uint8_t>& bytes) {
  return std::as_bytes(std::span(bytes));
}

/// Smooth in both directions, with different channels.
std::vector<uint8_t> pattern(int64_t height, int64_t width) {
  std::vector<uint8_t> rgb;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (const int64_t value : {40 + 3 * y, 200 - 2 * x, 90 + x + y}) {
        rgb.push_back(static_cast<uint8_t>(value));
      }
    }
  }
  return rgb;
}

std::vector<uint8_t> write_png(png_uint_32 height, png_uint_32 width, png_uint_32 format,
                               const void* pixels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.height = height;
  image.width = width;
  image.format = format;
  png_alloc_size_t size = 0;
  png_image_write_get_memory_size(image, size, 0, pixels, 0, nullptr);
  std::vector<uint8_t> file(size);
  EXPECT_TRUE(png_image_write_to_memory(&image, file.data(), &size, 0, pixels, 0, nullptr));
  return file;
}

std::vector<uint8_t> write_jpeg(int64_t height, int64_t width, J_COLOR_SPACE space, int channels,
                                bool is_progressive, const std::vector<uint8_t>& pixels) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* data = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &data, &size);
  jpeg.image_height = static_cast<JDIMENSION>(height);
  jpeg.image_width = static_cast<JDIMENSION>(width);
  jpeg.input_components = channels;
  jpeg.in_color_space = space;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 100, TRUE);
  if (is_progressive) jpeg_simple_progression(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  const size_t row_bytes = static_cast<size_t>(width * channels);
  for (int64_t y = 0; y < height; ++y) {
    auto* row = const_cast<uint8_t*>(pixels.data()) + static_cast<size_t>(y) * row_bytes;
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  std::vector<uint8_t> file(data, data + size);
  jpeg_destroy_compress(&jpeg);
  std::free(data);
  return file;
}

void expect_near(const std::vector<uint8_t>& got, const std::vector<uint8_t>& want, int most) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(int{got[i]}, int{want[i]}, most) << i;
}

TEST(Png, gives_back_what_was_written) {
  const std::vector<uint8_t> rgb = pattern(13, 9);
  const Raster raster = decode_png(bytes_of(write_png(13, 9, PNG_FORMAT_RGB, rgb.data())));
  EXPECT_EQ(raster.height, 13);
  EXPECT_EQ(raster.width, 9);
  EXPECT_EQ(raster.rgb, rgb);
}

TEST(Png, grey_becomes_three_equal_channels_and_alpha_is_dropped) {
  const std::vector<uint8_t> grey = {0, 7, 255, 128};
  EXPECT_EQ(decode_png(bytes_of(write_png(2, 2, PNG_FORMAT_GRAY, grey.data()))).rgb,
            (std::vector<uint8_t>{0, 0, 0, 7, 7, 7, 255, 255, 255, 128, 128, 128}));
  const std::vector<uint8_t> rgba = {10, 20, 30, 0, 40, 50, 60, 255};
  EXPECT_EQ(decode_png(bytes_of(write_png(1, 2, PNG_FORMAT_RGBA, rgba.data()))).rgb,
            (std::vector<uint8_t>{10, 20, 30, 40, 50, 60}));
}

TEST(Png, a_caller_can_ask_for_smaller_pictures) {
  const std::vector<uint8_t> file = write_png(13, 9, PNG_FORMAT_RGB, pattern(13, 9).data());
  EXPECT_NO_THROW(decode_png(bytes_of(file), {}, 13 * 9));
  EXPECT_THROW(decode_png(bytes_of(file), {}, 13 * 9 - 1), BadFile);
}

TEST(Jpeg, is_near_what_was_written_baseline_and_progressive) {
  const std::vector<uint8_t> rgb = pattern(21, 34);
  for (const bool is_progressive : {false, true}) {
    const Raster raster =
        decode_jpeg(bytes_of(write_jpeg(21, 34, JCS_RGB, 3, is_progressive, rgb)));
    EXPECT_EQ(raster.height, 21);
    EXPECT_EQ(raster.width, 34);
    // Chroma has half the resolution: a step of the pattern or two.
    expect_near(raster.rgb, rgb, 6);
  }
}

TEST(Jpeg, grey_becomes_three_equal_channels) {
  const std::vector<uint8_t> grey(64, 77);
  expect_near(decode_jpeg(bytes_of(write_jpeg(8, 8, JCS_GRAYSCALE, 1, false, grey))).rgb,
              std::vector<uint8_t>(192, 77), 1);
}

TEST(Jpeg, ink_becomes_light) {
  // As Adobe stores it, inverted: cyan, magenta, yellow, black of 255 − 200, 255 − 100, 0, 255 −
  // 128.
  std::vector<uint8_t> cmyk;
  for (int i = 0; i < 64; ++i) cmyk.insert(cmyk.end(), {200, 100, 255, 128});
  const Raster raster = decode_jpeg(bytes_of(write_jpeg(8, 8, JCS_CMYK, 4, false, cmyk)));
  expect_near({raster.rgb.begin(), raster.rgb.begin() + 3}, {100, 50, 128}, 2);
}

TEST(Jpeg, a_caller_can_ask_for_smaller_pictures) {
  const auto file = write_jpeg(21, 34, JCS_RGB, 3, false, pattern(21, 34));
  EXPECT_NO_THROW(decode_jpeg(bytes_of(file), {}, 21 * 34));
  EXPECT_THROW(decode_jpeg(bytes_of(file), {}, 21 * 34 - 1), BadFile);
}

}  // namespace
}  // namespace tessera::io
