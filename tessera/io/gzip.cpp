#include "tessera/io/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <string>

#include "tessera/io/origin.h"

namespace tessera::io {
namespace {

constexpr int kRawDeflate = -15, kGzip = 15 + 16;
constexpr size_t kStep = 1u << 16;
constexpr size_t kChunk = 1u << 30;  // zlib counts in 32 bits

/// A zlib stream over `input` that ends with the scope.
class Inflater {
 public:
  Inflater(std::span<const std::byte> input, int format) : rest_(input) {
    is_open_ = inflateInit2(&stream_, format) == Z_OK;
  }
  ~Inflater() {
    if (is_open_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// Fills `room` as far as the input goes; returns the bytes written and sets is_finished() or
  /// is_damaged(). Less than a full room means that one of them holds or the input is used up.
  size_t fill(std::span<std::byte> room) {
    size_t written = 0;
    while (written < room.size() && !is_finished_ && !is_damaged()) {
      const size_t in = std::min(rest_.size(), kChunk);
      const size_t out = std::min(room.size() - written, kChunk);
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(rest_.data()));
      stream_.avail_in = static_cast<uInt>(in);
      stream_.next_out = reinterpret_cast<Bytef*>(room.data() + written);
      stream_.avail_out = static_cast<uInt>(out);
      status_ = inflate(&stream_, Z_NO_FLUSH);
      written += out - stream_.avail_out;
      rest_ = rest_.subspan(in - stream_.avail_in);
      is_finished_ = status_ == Z_STREAM_END;
    }
    return written;
  }

  bool is_finished() const { return is_finished_; }
  /// Z_BUF_ERROR: no progress is possible, so the input is cut short.
  bool is_damaged() const { return !is_open_ || (status_ != Z_OK && status_ != Z_STREAM_END); }
  std::span<const std::byte> rest() const { return rest_; }

 private:
  z_stream stream_{};
  std::span<const std::byte> rest_;
  int status_ = Z_OK;
  bool is_open_ = false, is_finished_ = false;
};

}  // namespace

bool is_gzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
}

std::vector<std::byte> gunzip(std::span<const std::byte> bytes, size_t limit,
                              std::string_view file) {
  const Origin origin{"gzip", file};
  std::vector<std::byte> result, step(kStep);
  do {
    Inflater member(bytes, kGzip);
    while (!member.is_finished()) {
      const size_t size = member.fill(step);
      if (member.is_damaged()) {
        origin.bad("T-GZ-02", "the file must be whole gzip data", "damaged or cut data",
                   "Fetch it again.");
      }
      if (size > limit - result.size()) {
        origin.bad("T-GZ-01", "the file must hold at most " + std::to_string(limit) + " bytes",
                   "more");
      }
      result.insert(result.end(), step.begin(), step.begin() + static_cast<std::ptrdiff_t>(size));
    }
    bytes = member.rest();
  } while (!bytes.empty());
  return result;
}

std::vector<std::byte> inflate_raw(std::span<const std::byte> bytes, size_t size,
                                   std::string_view file) {
  const Origin origin{"deflate", file};
  // One byte more than promised, so that a longer stream shows.
  std::vector<std::byte> result(size + 1);
  Inflater inflater(bytes, kRawDeflate);
  const size_t written = inflater.fill(result);
  if (written != size || !inflater.is_finished() || !inflater.rest().empty()) {
    origin.bad("T-GZ-03",
               "compressed data must give the " + std::to_string(size) +
                   " bytes that are promised, and end there",
               "damaged, cut or longer data", "Fetch the file again.");
  }
  result.resize(size);
  return result;
}

}  // namespace tessera::io
