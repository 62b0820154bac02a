#include "tessera/io/xz.h"

#include <lzma.h>

#include <algorithm>
#include <array>
#include <string>

#include "tessera/io/origin.h"

namespace tessera::io {
namespace {

constexpr size_t kStep = 1u << 16;
/// `xz -9` asks for 65 MiB to unpack; a header can ask for 4 GiB with one byte.
constexpr uint64_t kMemoryLimit = uint64_t{128} << 20;
constexpr std::array<unsigned char, 6> kMagic = {0xfd, '7', 'z', 'X', 'Z', 0};

/// A liblzma decoder over `input` that ends with the scope.
class Decoder {
 public:
  explicit Decoder(std::span<const std::byte> input) {
    constexpr uint32_t kFlags = LZMA_CONCATENATED | LZMA_TELL_UNSUPPORTED_CHECK;
    status_ = lzma_stream_decoder(&stream_, kMemoryLimit, kFlags);
    stream_.next_in = reinterpret_cast<const uint8_t*>(input.data());
    stream_.avail_in = input.size();
  }
  ~Decoder() { lzma_end(&stream_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// Fills `room` as far as the input goes; returns the bytes written.
  size_t fill(std::span<std::byte> room) {
    stream_.next_out = reinterpret_cast<uint8_t*>(room.data());
    stream_.avail_out = room.size();
    // All input is here from the start: LZMA_FINISH tells a file that is cut from one that waits.
    while (status_ == LZMA_OK && stream_.avail_out > 0) status_ = lzma_code(&stream_, LZMA_FINISH);
    return room.size() - stream_.avail_out;
  }

  lzma_ret status() const { return status_; }
  bool is_finished() const { return status_ == LZMA_STREAM_END; }

 private:
  lzma_stream stream_ = LZMA_STREAM_INIT;
  lzma_ret status_;
};

[[noreturn]] void refuse(lzma_ret status, const Origin& origin) {
  switch (status) {
    case LZMA_MEMLIMIT_ERROR:
      origin.bad("T-XZ-03", "the data must unpack within 128 MiB of working memory", "more");
    case LZMA_OPTIONS_ERROR:
    case LZMA_UNSUPPORTED_CHECK:
      origin.unsupported("T-XZ-04", "the checks and filters must be those of this liblzma",
                         "others");
    default:
      origin.bad("T-XZ-01", "the file must be whole xz data", "damaged or cut data",
                 "Fetch it again.");
  }
}

}  // namespace

bool is_xz(std::span<const std::byte> bytes) {
  return bytes.size() >= kMagic.size() &&
         std::equal(kMagic.begin(), kMagic.end(), bytes.begin(),
                    [](unsigned char a, std::byte b) { return std::byte{a} == b; });
}

std::vector<std::byte> unxz(std::span<const std::byte> bytes, size_t limit, std::string_view file) {
  const Origin origin{"xz", file};
  std::vector<std::byte> result, step(kStep);
  Decoder decoder(bytes);
  while (!decoder.is_finished()) {
    const size_t size = decoder.fill(step);
    if (decoder.status() != LZMA_OK && !decoder.is_finished()) refuse(decoder.status(), origin);
    if (size > limit - result.size()) {
      origin.bad("T-XZ-02", "the file must hold at most " + std::to_string(limit) + " bytes",
                 "more");
    }
    result.insert(result.end(), step.begin(), step.begin() + static_cast<std::ptrdiff_t>(size));
  }
  return result;
}

}  // namespace tessera::io
