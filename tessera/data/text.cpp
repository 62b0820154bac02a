#include "tessera/data/text.h"

#include <algorithm>
#include <array>

#include "tessera/core/error.h"
#include "tessera/io/cursor.h"
#include "tessera/io/file.h"
#include "tessera/io/unpack.h"
#include "tessera/io/zip.h"

namespace tessera::data {
namespace {

/// text8 has 100 MB, enwik9 1 GB.
constexpr size_t kLargestText = size_t{4} << 30;

[[noreturn]] void bad_text(const std::string& rule, const std::string& got, const char* id) {
  fail<BadFile>({.where = "text", .rule = rule, .got = got, .id = id});
}

/// A zip with files in it begins with the first one's header, one without with its end record.
bool is_zip(std::span<const std::byte> bytes) {
  const std::string_view text = io::as_text(bytes);
  return text.starts_with("PK\x03\x04") || text.starts_with("PK\x05\x06");
}

std::vector<std::byte> only_entry(std::span<const std::byte> bytes, const std::string& path) {
  const auto entries = io::read_zip_directory(bytes, kLargestText, path);
  if (entries.size() != 1) {
    bad_text(path + " must hold one text", std::to_string(entries.size()) + " files", "T-TXT-01");
  }
  return io::read_zip_entry(entries[0], path);
}

/// The place of each byte in the alphabet, or -1.
std::array<int, 256> places_in(const std::string& alphabet) {
  std::array<int, 256> places;
  places.fill(-1);
  for (size_t i = 0; i < alphabet.size(); ++i) {
    places[static_cast<unsigned char>(alphabet[i])] = static_cast<int>(i);
  }
  return places;
}

}  // namespace

std::vector<int64_t> Text::encode(std::string_view text) const {
  const std::array<int, 256> places_of = places_in(alphabet);
  const int other = std::max(places_of[' '], 0);
  std::vector<int64_t> result;
  for (const char c : text) {
    const int place = places_of[static_cast<unsigned char>(c)];
    result.push_back(place >= 0 ? place : other);
  }
  return result;
}

Text read_text_file(const std::string& path) {
  const io::MappedFile mapped(path);
  std::vector<std::byte> storage;
  std::span<const std::byte> bytes;
  if (is_zip(mapped.bytes())) {
    storage = only_entry(mapped.bytes(), path);
    bytes = storage;
  } else {
    bytes = io::unpack(mapped.bytes(), kLargestText, storage, path);
  }
  if (bytes.empty() || bytes.size() > kLargestText) {
    bad_text(path + " must hold 1 byte to 4 GiB of text", std::to_string(bytes.size()) + " bytes",
             "T-TXT-02");
  }
  std::array<bool, 256> is_there{};
  for (const std::byte b : bytes) is_there[std::to_integer<size_t>(b)] = true;
  Text text;
  for (size_t b = 0; b < is_there.size(); ++b) {
    if (is_there[b]) text.alphabet.push_back(static_cast<char>(b));
  }
  const std::array<int, 256> places_of = places_in(text.alphabet);
  text.places.resize(bytes.size());
  std::ranges::transform(bytes, text.places.begin(), [&](std::byte b) {
    return static_cast<uint8_t>(places_of[std::to_integer<size_t>(b)]);
  });
  return text;
}

DataSource text8_source() {
  return {.name = "text8",
          .summary = "100 million letters and spaces of the English Wikipedia of 2006",
          .licence = "GFDL (Wikipedia's authors; cut by M. Mahoney)",
          .files = {{.path = "text8/text8.zip",
                     .url = "http://mattmahoney.net/dc/text8.zip",
                     .bytes = 31344016}}};
}

}  // namespace tessera::data
