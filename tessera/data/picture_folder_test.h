#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "tessera/io/file.h"
#include "tessera/io/temporary_folder.h"

namespace tessera::data {

/// A PNG file of image (3, H, W) uint8, not compressed; rows of up to 21,000 pixels.
inline std::string png_of(const at::Tensor& image) {
  const auto big = [](uint64_t value, int bytes) {
    std::string text;
    for (int i = bytes; i-- > 0;) text.push_back(static_cast<char>(value >> (8 * i)));
    return text;
  };
  const auto chunk = [&](const std::string& name, const std::string& data) {
    uint32_t crc = ~0U;
    for (const char c : name + data) {
      crc ^= static_cast<uint8_t>(c);
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0U);
    }
    return big(data.size(), 4) + name + data + big(~crc, 4);
  };
  const at::Tensor pixels = image.permute({1, 2, 0}).contiguous();
  const auto* rgb = pixels.const_data_ptr<uint8_t>();
  const auto line = static_cast<uint16_t>(1 + 3 * image.size(2));
  std::string stream = "\x78\x01";
  uint32_t a = 1, b = 0;  // Adler-32
  for (int64_t y = 0; y < image.size(1); ++y) {
    const bool is_last = y + 1 == image.size(1);
    for (const uint16_t word : {line, static_cast<uint16_t>(~line)}) {
      if (word == line) stream.push_back(is_last ? 1 : 0);
      stream.push_back(static_cast<char>(word & 255));
      stream.push_back(static_cast<char>(word >> 8));
    }
    for (int64_t x = 0; x < line; ++x) {
      const uint8_t byte = x == 0 ? 0 : *rgb++;
      stream.push_back(static_cast<char>(byte));
      a = (a + byte) % 65521;
      b = (b + a) % 65521;
    }
  }
  stream += big(b, 2) + big(a, 2);
  const auto height = static_cast<uint64_t>(image.size(1));
  const auto width = static_cast<uint64_t>(image.size(2));
  return "\x89PNG\r\n\x1a\n" +
         chunk("IHDR", big(width, 4) + big(height, 4) + std::string("\x08\x02\0\0\0", 5)) +
         chunk("IDAT", stream) + chunk("IEND", "");
}

/// Pictures by their paths below a folder that is gone afterwards.
class PictureFolder {
 public:
  /// A copy of a file of the fuzzing corpus: "png/ok_rgb" is 2 × 2 pixels.
  void add(const std::string& path, const std::string& picture = "png/ok_rgb") const {
    write(path, io::read_text(std::string(TESSERA_SOURCE_DIR) + "/tests/fuzz/corpus/" + picture));
  }
  void write(const std::string& path, std::string_view bytes) const {
    const std::filesystem::path place = std::filesystem::path(folder_.path()) / path;
    std::filesystem::create_directories(place.parent_path());
    io::write_atomically(place.string(), bytes);
  }
  const std::string& path() const { return folder_.path(); }

 private:
  io::TemporaryFolder folder_;
};

}  // namespace tessera::data
