#include "tessera/io/safetensors_header.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

namespace tessera::io {
namespace {

constexpr std::array kTypes = {
    ElementType::kBool, ElementType::kU8,   ElementType::kI8,  ElementType::kU16, ElementType::kI16,
    ElementType::kF16,  ElementType::kBF16, ElementType::kU32, ElementType::kI32, ElementType::kF32,
    ElementType::kU64,  ElementType::kI64,  ElementType::kF64};

/// Kinds that later versions of the format define and Tessera does not read.
constexpr std::array<std::string_view, 9> kForeignTypes = {"F4",          "F6_E2M3",     "F6_E3M2",
                                                           "F8_E4M3",     "F8_E5M2",     "F8_E8M0",
                                                           "F8_E4M3FNUZ", "F8_E5M2FNUZ", "C64"};

/// Receives the header's JSON token by token, so that a hostile one takes memory in proportion to
/// its bytes, cannot nest deeper than the format's three levels, and cannot repeat a key. Keys are
/// kept in ordered sets: names chosen to collide would make a hash table quadratic.
class HeaderHandler final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderHandler(const Origin& origin) : origin_(origin) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool start_object(size_t) override {
    if (place_ == Place::kStart) return enter(Place::kRoot);
    if (place_ != Place::kRootValue) unexpected("an object");
    if (name_ == "__metadata__") return enter(Place::kMetadata);
    fields_ = 0;
    header_.entries.push_back({.name = name_, .shape = {}});
    return enter(Place::kEntry);
  }

  bool end_object() override {
    if (place_ == Place::kEntry && fields_ != (kType | kShape | kOffsets)) {
      bad("T-ST-08", "tensor " + shown(name_) + " must have dtype, shape and data_offsets",
          "fewer keys");
    }
    return enter(place_ == Place::kRoot ? Place::kEnd : Place::kRoot);
  }

  bool key(std::string& key) override {
    switch (place_) {
      case Place::kRoot:
        if (!names_.insert(key).second) duplicate(key);
        name_ = std::move(key);
        return enter(Place::kRootValue);
      case Place::kMetadata:
        if (!metadata_keys_.insert(key).second) duplicate(key);
        metadata_key_ = std::move(key);
        return enter(Place::kMetadataValue);
      default:
        return field(key);
    }
  }

  bool string(std::string& value) override {
    if (place_ == Place::kMetadataValue) {
      header_.metadata.emplace_back(metadata_key_, std::move(value));
      return enter(Place::kMetadata);
    }
    if (place_ != Place::kType) unexpected("a string");
    header_.entries.back().type = parse_type(value);
    return enter(Place::kEntry);
  }

  bool start_array(size_t) override {
    if (place_ == Place::kShapeValue) return enter(Place::kShapeItems);
    if (place_ != Place::kOffsetsValue) unexpected("an array");
    offsets_ = 0;
    return enter(Place::kOffsetsItems);
  }

  bool end_array() override {
    if (place_ == Place::kOffsetsItems && offsets_ != 2) bad_offsets();
    return enter(Place::kEntry);
  }

  bool number_unsigned(uint64_t value) override {
    SafetensorsEntry* entry = header_.entries.empty() ? nullptr : &header_.entries.back();
    if (place_ == Place::kShapeItems) {
      constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
      if (value > kMax || entry->shape.size() == kMaxRank) bad_shape(std::to_string(value));
      entry->shape.push_back(static_cast<int64_t>(value));
    } else if (place_ == Place::kOffsetsItems) {
      if (offsets_ == 2) bad_offsets();
      (offsets_++ == 0 ? entry->begin : entry->end) = value;
    } else {
      unexpected("a number");
    }
    return true;
  }

  bool number_integer(int64_t value) override {
    if (place_ == Place::kShapeItems) bad_shape(std::to_string(value));
    unexpected("a negative number");
  }
  bool number_float(double, const std::string& text) override {
    if (place_ == Place::kShapeItems) bad_shape(text.substr(0, 40));
    unexpected("a number that is no integer of 64 bits");
  }
  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a boolean"); }
  bool binary(nlohmann::json::binary_t&) override { unexpected("binary"); }

  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    bad("T-ST-05", "the header must be JSON in UTF-8",
        "a syntax error at byte " + std::to_string(position));
  }

 private:
  enum class Place {
    kStart,
    kRoot,
    kRootValue,
    kMetadata,
    kMetadataValue,
    kEntry,
    kType,
    kShapeValue,
    kShapeItems,
    kOffsetsValue,
    kOffsetsItems,
    kEnd
  };
  enum Field { kType = 1, kShape = 2, kOffsets = 4 };

  bool enter(Place place) {
    place_ = place;
    return true;
  }

  bool field(const std::string& key) {
    if (key == "dtype") return begin_field(kType, key, Place::kType);
    if (key == "shape") return begin_field(kShape, key, Place::kShapeValue);
    if (key == "data_offsets") return begin_field(kOffsets, key, Place::kOffsetsValue);
    bad("T-ST-07", "tensor " + shown(name_) + " must have only dtype, shape and data_offsets",
        shown(key));
  }

  bool begin_field(Field field, const std::string& key, Place place) {
    if ((fields_ & field) != 0) duplicate(key);
    fields_ |= field;
    return enter(place);
  }

  ElementType parse_type(const std::string& text) const {
    const auto is_named = [&](ElementType type) { return name_of(type) == text; };
    const auto found = std::find_if(kTypes.begin(), kTypes.end(), is_named);
    if (found != kTypes.end()) return *found;
    const std::string rule = "tensor " + shown(name_) + " must have a dtype of BOOL, U8 ... F64";
    if (std::find(kForeignTypes.begin(), kForeignTypes.end(), text) != kForeignTypes.end()) {
      origin_.unsupported("T-ST-10", rule, text, "Convert it to BF16 or F16 first.");
    }
    bad("T-ST-09", rule, shown(text));
  }

  [[noreturn]] void bad(std::string_view id, const std::string& rule,
                        const std::string& got) const {
    origin_.bad(id, rule, got);
  }
  [[noreturn]] void duplicate(const std::string& key) const {
    bad("T-ST-06", "every key of the header must be given once", shown(key) + " twice");
  }
  [[noreturn]] void bad_shape(const std::string& got) const {
    bad("T-ST-11", "tensor " + shown(name_) + " must have a shape of at most 64 sizes of 63 bits",
        got);
  }
  [[noreturn]] void bad_offsets() const {
    bad("T-ST-12", "tensor " + shown(name_) + " must have data_offsets [begin, end]",
        "another number of values");
  }
  [[noreturn]] void unexpected(const std::string& got) const {
    const std::string at = place_ == Place::kStart || name_.empty() ? "" : " at " + shown(name_);
    bad("T-ST-13", "the header must map names to {dtype, shape, data_offsets}", got + at);
  }

  Origin origin_;
  SafetensorsHeader header_;
  Place place_ = Place::kStart;
  std::string name_, metadata_key_;
  std::set<std::string> names_, metadata_keys_;
  int fields_ = 0, offsets_ = 0;
};

}  // namespace

SafetensorsHeader parse_safetensors_json(std::string_view text, const Origin& origin) {
  // The JSON lexer forgives what the format does not: a byte order mark, white space before '{',
  // and anything behind a zero byte.
  text = text.substr(0, text.find_last_not_of(' ') + 1);
  if (!text.starts_with('{') || !text.ends_with('}') || text.find('\0') != text.npos) {
    origin.bad("T-ST-04", "the header must be one JSON object, padded with spaces only",
               shown(text.substr(0, 16)));
  }
  HeaderHandler handler(origin);
  nlohmann::json::sax_parse(text, &handler);
  SafetensorsHeader header = handler.take();
  std::sort(header.metadata.begin(), header.metadata.end());
  return header;
}

}  // namespace tessera::io
