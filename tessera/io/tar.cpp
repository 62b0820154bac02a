#include "tessera/io/tar.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>

#include "tessera/io/cursor.h"

namespace tessera::io {
namespace {

constexpr size_t kBlock = 512;
constexpr size_t kChecksumAt = 148, kChecksumSize = 8;
/// A long name is a path: far below this on every system.
constexpr size_t kLongNameLimit = 64 * 1024;

/// The text of a header field, to its first zero byte.
std::string_view text_field(std::span<const std::byte> header, size_t at, size_t size) {
  const std::string_view field = as_text(header.subspan(at, size));
  return field.substr(0, field.find('\0'));
}

/// An octal number, with spaces around it as old archivers write them.
uint64_t octal_field(std::span<const std::byte> header, size_t at, size_t size,
                     const Origin& origin) {
  std::string_view text = text_field(header, at, size);
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (error != std::errc() || end != text.data() + text.size()) {
    origin.bad("T-TAR-02", "the numbers of a header must be octal", shown(text));
  }
  return value;
}

void check_checksum(std::span<const std::byte> header, const Origin& origin) {
  uint64_t sum = kChecksumSize * ' ';  // its own field counts as spaces
  for (size_t i = 0; i < kBlock; ++i) {
    const bool is_own = i >= kChecksumAt && i < kChecksumAt + kChecksumSize;
    if (!is_own) sum += std::to_integer<uint64_t>(header[i]);
  }
  if (octal_field(header, kChecksumAt, kChecksumSize, origin) != sum) {
    origin.bad("T-TAR-03", "every header must have its checksum", "another: damaged or no tar file",
               "Fetch it again.");
  }
}

bool is_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

/// Records "LENGTH key=value\n"; of these only the path and the size matter here.
struct PaxFields {
  std::string path;
  bool has_size = false;
};

PaxFields parse_pax(std::string_view text, const Origin& origin) {
  PaxFields fields;
  while (!text.empty()) {
    size_t length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    const auto digits = static_cast<size_t>(end - text.data());
    if (error != std::errc() || length > text.size() || length < digits + 2 ||
        text[digits] != ' ' || text[length - 1] != '\n') {
      origin.bad("T-TAR-04", "pax records must read \"LENGTH key=value\"", shown(text));
    }
    const std::string_view record = text.substr(digits + 1, length - digits - 2);
    const size_t equals = record.find('=');
    if (equals == record.npos) {
      origin.bad("T-TAR-04", "pax records must read \"LENGTH key=value\"", shown(record));
    }
    const std::string_view key = record.substr(0, equals);
    if (key == "path") fields.path = record.substr(equals + 1);
    if (key == "size") fields.has_size = true;
    text.remove_prefix(length);
  }
  return fields;
}

void check_path(std::string_view path, const Origin& origin) {
  bool is_safe = !path.empty() && !path.starts_with('/') && path.find('\0') == path.npos;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    is_safe = is_safe && path.substr(begin, end - begin) != "..";
    begin = end + 1;
  }
  if (!is_safe) {
    origin.bad("T-TAR-05", "paths must stay inside the archive", shown(path));
  }
}

void check_magic(std::span<const std::byte> header, const Origin& origin) {
  using namespace std::string_view_literals;
  const std::string_view magic = as_text(header.subspan(257, 8));
  if (magic == "ustar\00000"sv || magic == "ustar  \0"sv || magic == "\0\0\0\0\0\0\0\0"sv) return;
  origin.unsupported("T-TAR-07", "the archive must be ustar, pax or GNU tar", shown(magic));
}

/// Entries that say something of the entry behind them, above all its long name.
bool is_about_next(char kind) { return kind == 'L' || kind == 'x' || kind == 'g'; }

/// The name that such an entry gives to the next one, or "".
std::string long_name_of(char kind, std::span<const std::byte> data, const Origin& origin) {
  if (kind == 'L') return std::string(text_field(data, 0, data.size()));
  if (kind == 'g') return "";  // remarks on the whole archive, such as git's commit
  PaxFields fields = parse_pax(as_text(data), origin);
  if (fields.has_size) {
    origin.unsupported("T-TAR-09", "files must be smaller than 8 GiB", "a pax size");
  }
  return std::move(fields.path);
}

std::string header_path(std::span<const std::byte> header) {
  // Only POSIX archives have a prefix; GNU ones keep other things in its place.
  const bool has_prefix = as_text(header.subspan(257, 6)) == std::string_view("ustar\0", 6);
  const std::string_view prefix = has_prefix ? text_field(header, 345, 155) : "";
  const std::string_view name = text_field(header, 0, 100);
  return prefix.empty() ? std::string(name) : std::string(prefix) + "/" + std::string(name);
}

}  // namespace

TarReader::TarReader(std::span<const std::byte> bytes, std::string_view file)
    : origin_{"tar", file}, rest_(bytes) {}

std::span<const std::byte> TarReader::take(size_t size) {
  Cursor cursor(rest_, origin_, "T-TAR-01");
  const std::span<const std::byte> taken = cursor.take(size, "an entry");
  cursor.skip((kBlock - size % kBlock) % kBlock, "padding");
  rest_ = cursor.rest();
  return taken;
}

std::optional<TarEntry> TarReader::next() {
  std::string long_name;
  while (true) {
    const std::span<const std::byte> header = take(kBlock);
    if (is_zero(header)) {
      if (!is_zero(take(kBlock)) || !is_zero(rest_) || !long_name.empty()) {
        origin_.bad("T-TAR-06", "the archive must end with two blocks of zeros");
      }
      rest_ = {};
      return std::nullopt;
    }
    check_checksum(header, origin_);
    check_magic(header, origin_);
    const char kind = std::to_integer<char>(header[156]);
    const uint64_t size = octal_field(header, 124, 12, origin_);
    if (is_about_next(kind)) {
      if (size > kLongNameLimit) {
        origin_.bad("T-TAR-08", "a long name must have at most 65,536 bytes", std::to_string(size));
      }
      std::string name = long_name_of(kind, take(size), origin_);
      if (!name.empty()) long_name = std::move(name);
      continue;
    }

    const std::span<const std::byte> data = take(size);
    std::string name = long_name.empty() ? header_path(header) : std::exchange(long_name, {});
    check_path(name, origin_);
    if (kind == '5') continue;
    if (kind != '0' && kind != '\0') {
      origin_.unsupported("T-TAR-10", "the archive must hold plain files and folders",
                          shown(name) + " of type " + shown({&kind, 1}));
    }
    if (!seen_.insert(name).second) {
      origin_.bad("T-TAR-11", "every file must be there once", shown(name) + " twice");
    }
    return TarEntry{std::move(name), data};
  }
}

}  // namespace tessera::io
