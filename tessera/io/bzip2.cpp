#include "tessera/io/bzip2.h"

#include <bzlib.h>

#include <algorithm>
#include <string>

#include "tessera/io/origin.h"

namespace tessera::io {
namespace {

constexpr size_t kStep = 1u << 16;
constexpr size_t kChunk = 1u << 30;  // libbz2 counts in 32 bits

/// A libbz2 stream that ends with the scope.
class Bunzipper {
 public:
  explicit Bunzipper(std::span<const std::byte> input) : rest_(input) {
    status_ = BZ2_bzDecompressInit(&stream_, 0, 0);
  }
  ~Bunzipper() { BZ2_bzDecompressEnd(&stream_); }
  Bunzipper(const Bunzipper&) = delete;
  Bunzipper& operator=(const Bunzipper&) = delete;

  /// Writes to `room` as far as one call goes; returns the bytes written.
  size_t fill(std::span<std::byte> room) {
    const size_t in = std::min(rest_.size(), kChunk);
    stream_.next_in = reinterpret_cast<char*>(const_cast<std::byte*>(rest_.data()));
    stream_.avail_in = static_cast<unsigned>(in);
    stream_.next_out = reinterpret_cast<char*>(room.data());
    stream_.avail_out = static_cast<unsigned>(room.size());
    if (status_ == BZ_OK) status_ = BZ2_bzDecompress(&stream_);
    const size_t written = room.size() - stream_.avail_out;
    // libbz2 reports no error where its input ends too early: it just makes no progress.
    if (status_ == BZ_OK && in == stream_.avail_in && written == 0) status_ = BZ_UNEXPECTED_EOF;
    rest_ = rest_.subspan(in - stream_.avail_in);
    return written;
  }

  bool is_finished() const { return status_ == BZ_STREAM_END; }
  bool is_damaged() const { return status_ != BZ_OK && status_ != BZ_STREAM_END; }
  std::span<const std::byte> rest() const { return rest_; }

 private:
  bz_stream stream_{};
  std::span<const std::byte> rest_;
  int status_ = BZ_OK;
};

}  // namespace

bool is_bzip2(std::span<const std::byte> bytes) {
  return bytes.size() >= 3 && bytes[0] == std::byte{'B'} && bytes[1] == std::byte{'Z'} &&
         bytes[2] == std::byte{'h'};
}

std::vector<std::byte> bunzip2(std::span<const std::byte> bytes, size_t limit,
                               std::string_view file) {
  const Origin origin{"bzip2", file};
  std::vector<std::byte> result, step(kStep);
  do {
    Bunzipper stream(bytes);
    while (!stream.is_finished()) {
      const size_t size = stream.fill(step);
      if (stream.is_damaged()) {
        origin.bad("T-BZ-01", "the file must be whole bzip2 data", "damaged or cut data",
                   "Fetch it again.");
      }
      if (size > limit - result.size()) {
        origin.bad("T-BZ-02", "the file must hold at most " + std::to_string(limit) + " bytes",
                   "more");
      }
      result.insert(result.end(), step.begin(), step.begin() + static_cast<std::ptrdiff_t>(size));
    }
    bytes = stream.rest();
  } while (!bytes.empty());
  return result;
}

}  // namespace tessera::io
