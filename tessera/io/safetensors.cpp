#include "tessera/io/safetensors.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

#include "tessera/core/error.h"
#include "tessera/io/cursor.h"
#include "tessera/io/file.h"
#include "tessera/io/safetensors_header.h"

namespace tessera::io {
namespace {

constexpr size_t kHeaderAlignment = 8;
constexpr std::string_view kMetadataName = "__metadata__";

void check_offsets(const SafetensorsHeader& header, const Origin& origin) {
  uint64_t expected = 0;
  for (const SafetensorsEntry& entry : header.entries) {
    const std::string tensor = "tensor " + shown(entry.name);
    const std::optional<uint64_t> size = byte_size(entry.shape, entry.type);
    if (!size) origin.bad("T-ST-14", tensor + " must have a size below 2^63 bytes", "an overflow");
    if (entry.begin != expected) {
      origin.bad("T-ST-15",
                 tensor + " must begin where the one before ends, at " + std::to_string(expected),
                 std::to_string(entry.begin));
    }
    if (entry.end < entry.begin || entry.end > header.data.size()) {
      origin.bad("T-ST-16",
                 tensor + " must end between its begin and the end of the data, " +
                     std::to_string(header.data.size()),
                 std::to_string(entry.end));
    }
    if (entry.end - entry.begin != *size) {
      origin.bad(
          "T-ST-17",
          tensor + " must span the " + std::to_string(*size) + " bytes of its shape and dtype",
          std::to_string(entry.end - entry.begin));
    }
    expected = entry.end;
  }
  if (expected != header.data.size()) {
    origin.bad("T-ST-18", "the data must end with the last tensor, at " + std::to_string(expected),
               std::to_string(header.data.size()));
  }
}

/// A JSON string literal. Throws InvalidArgument where the text is not UTF-8.
std::string json_string(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::type_error&) {
    fail<InvalidArgument>({.where = "safetensors",
                           .rule = "names and metadata must be UTF-8",
                           .got = shown(text),
                           .id = "T-ST-20"});
  }
}

template <class Items, class Key>
void check_unique(const Items& sorted, Key key) {
  const auto same = [&](const auto& a, const auto& b) { return key(a) == key(b); };
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end(), same);
  if (twice == sorted.end()) return;
  fail<InvalidArgument>({.where = "safetensors",
                         .rule = "every name must be given once",
                         .got = shown(key(*twice)) + " twice",
                         .id = "T-ST-19"});
}

std::string header_text(const std::vector<SafetensorsTensor>& tensors,
                        const std::vector<std::pair<std::string, std::string>>& metadata) {
  std::string text = "{";
  const auto separate = [&] {
    if (text.back() != '{') text.push_back(',');
  };
  if (!metadata.empty()) {
    text.append("\"__metadata__\":{");
    for (const auto& [key, value] : metadata) {
      separate();
      text.append(json_string(key)).append(":").append(json_string(value));
    }
    text.push_back('}');
  }
  uint64_t offset = 0;
  for (const SafetensorsTensor& tensor : tensors) {
    separate();
    text.append(json_string(tensor.name)).append(":{\"dtype\":\"").append(name_of(tensor.type));
    text.append("\",\"shape\":").append(nlohmann::json(tensor.shape).dump());
    text.append(",\"data_offsets\":[").append(std::to_string(offset)).append(",");
    offset += tensor.data.size();
    text.append(std::to_string(offset)).append("]}");
  }
  text.push_back('}');
  text.append((kHeaderAlignment - text.size() % kHeaderAlignment) % kHeaderAlignment, ' ');
  return text;
}

}  // namespace

SafetensorsHeader parse_safetensors(std::span<const std::byte> bytes, std::string_view file) {
  const Origin origin{"safetensors", file};
  Cursor cursor(bytes, origin, "T-ST-01");
  const auto header_size = cursor.little<uint64_t>("header length");
  if (header_size > kSafetensorsHeaderLimit) {
    origin.bad("T-ST-02", "the header must have at most 100,000,000 bytes",
               std::to_string(header_size), "It may be no safetensors file.");
  }
  Cursor body(cursor.rest(), origin, "T-ST-03");
  SafetensorsHeader header =
      parse_safetensors_json(as_text(body.take(header_size, "header")), origin);
  header.data = body.rest();
  std::sort(header.entries.begin(), header.entries.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  check_offsets(header, origin);
  return header;
}

void write_safetensors(const std::string& path, std::vector<SafetensorsTensor> tensors,
                       std::vector<std::pair<std::string, std::string>> metadata) {
  const auto key_of = [](const auto& item) -> const std::string& { return item.first; };
  const auto name_of = [](const auto& tensor) -> const std::string& { return tensor.name; };
  std::sort(metadata.begin(), metadata.end());
  check_unique(metadata, key_of);
  std::sort(tensors.begin(), tensors.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  check_unique(tensors, name_of);
  for (const SafetensorsTensor& tensor : tensors) {
    if (tensor.name != kMetadataName) continue;
    fail<InvalidArgument>({.where = "safetensors",
                           .rule = "no tensor may be named as the metadata are",
                           .got = shown(tensor.name),
                           .id = "T-ST-22"});
  }
  std::stable_sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return width_of(a.type) > width_of(b.type);
  });

  const std::string header = header_text(tensors, metadata);
  if (header.size() > kSafetensorsHeaderLimit) {
    fail<InvalidArgument>({.where = "safetensors",
                           .rule = "the header must have at most 100,000,000 bytes",
                           .got = std::to_string(header.size()),
                           .next = "Write fewer tensors or less metadata.",
                           .id = "T-ST-21"});
  }
  std::array<std::byte, 8> length;
  for (size_t i = 0; i < 8; ++i) length[i] = static_cast<std::byte>(header.size() >> (8 * i));

  AtomicFile out(path);
  out.write(length);
  out.write(header);
  for (const SafetensorsTensor& tensor : tensors) out.write(tensor.data);
  out.commit();
}

}  // namespace tessera::io
