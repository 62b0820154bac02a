#include "tessera/io/manifest.h"

#include <algorithm>
#include <limits>

#include "tessera/core/json.h"
#include "tessera/io/cursor.h"
#include "tessera/io/strict_json.h"

namespace tessera::io {
namespace {

constexpr uint64_t kFormat = 1;
constexpr size_t kLimit = 1 << 20;  // some ten thousand files

constexpr std::string_view kShape =
    "a manifest must read {\"format\": 1, \"step\": N, \"files\": [{\"name\", \"bytes\", "
    "\"xxh3\"}]}";

/// An object's members by name, all of them and no others.
std::vector<const Json*> members(const Json& object, std::initializer_list<std::string_view> names,
                                 const Origin& origin) {
  std::vector<const Json*> values;
  if (object.is_object() && object.size() == names.size()) {
    for (const std::string_view name : names) {
      const auto found = object.find(name);
      if (found != object.end()) values.push_back(&*found);
    }
  }
  if (values.size() != names.size()) origin.bad("T-CKPT-02", kShape, "other keys");
  return values;
}

uint64_t count(const Json& value, const Origin& origin) {
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  if (!value.is_number_unsigned() || value.get<uint64_t>() > kMax) {
    origin.bad("T-CKPT-02", kShape, "a value of another type");
  }
  return value.get<uint64_t>();
}

std::string text(const Json& value, const Origin& origin) {
  if (!value.is_string()) origin.bad("T-CKPT-02", kShape, "a value of another type");
  return value.get<std::string>();
}

}  // namespace

bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && !name.starts_with('.') &&
         name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
}

std::string to_text(const Manifest& manifest) {
  Json files = Json::array();
  for (const Manifest::File& file : manifest.files) {
    files.push_back({{"name", file.name}, {"bytes", file.bytes}, {"xxh3", file.xxh3}});
  }
  const Json json = {{"format", kFormat}, {"step", manifest.step}, {"files", std::move(files)}};
  return json.dump(2) + "\n";
}

Manifest parse_manifest(std::span<const std::byte> bytes, std::string_view file) {
  const Origin origin{"checkpoint", file};
  if (bytes.size() > kLimit) {
    origin.bad("T-CKPT-01", "a manifest must have at most 1 MiB",
               std::to_string(bytes.size()) + " bytes");
  }
  const Json json = parse_strict_json(as_text(bytes), origin);
  const auto top = members(json, {"format", "step", "files"}, origin);
  if (const uint64_t format = count(*top[0], origin); format != kFormat) {
    origin.unsupported("T-CKPT-03", "the manifest must have format 1", std::to_string(format),
                       "Use the version of Tessera that wrote it.");
  }
  Manifest manifest;
  manifest.step = static_cast<int64_t>(count(*top[1], origin));
  if (!top[2]->is_array()) origin.bad("T-CKPT-02", kShape, "a value of another type");
  for (const Json& item : *top[2]) {
    const auto values = members(item, {"name", "bytes", "xxh3"}, origin);
    manifest.files.push_back(
        {text(*values[0], origin), count(*values[1], origin), text(*values[2], origin)});
    const Manifest::File& entry = manifest.files.back();
    const bool is_hex = entry.xxh3.size() == 32 &&
                        entry.xxh3.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!is_plain_file_name(entry.name) || !is_hex) {
      origin.bad("T-CKPT-04", "a manifest must give plain names and 32 hexadecimal digits",
                 shown(entry.name) + ", " + shown(entry.xxh3));
    }
  }
  for (size_t i = 1; i < manifest.files.size(); ++i) {
    if (manifest.files[i - 1].name >= manifest.files[i].name) {
      origin.bad("T-CKPT-05", "a manifest must list each file once, ordered by name",
                 shown(manifest.files[i].name));
    }
  }
  return manifest;
}

}  // namespace tessera::io
