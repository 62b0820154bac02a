#include "tessera/io/npy.h"

#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "tessera/io/cursor.h"

namespace tessera::io {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
/// Three keys and 64 sizes fit many times over; numpy itself stops at 10,000.
constexpr uint64_t kHeaderLimit = 65'536;

/// Parses {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } and nothing else.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const Origin& origin) : text_(text), origin_(origin) {}

  NpyArray parse() {
    NpyArray array;
    bool has_type = false, has_order = false, has_shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = parse_string();
      expect(':');
      if (key == "descr" && !std::exchange(has_type, true)) {
        array.type = parse_type();
      } else if (key == "fortran_order" && !std::exchange(has_order, true)) {
        array.is_fortran_order = parse_bool();
      } else if (key == "shape" && !std::exchange(has_shape, true)) {
        array.shape = parse_shape();
      } else {
        bad("T-NPY-05", "the header must have the keys descr, fortran_order and shape, once each",
            shown(key));
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_spaces();
    if (!(has_type && has_order && has_shape)) {
      bad("T-NPY-05", "the header must have the keys descr, fortran_order and shape, once each",
          "fewer");
    }
    if (at_ != text_.size()) syntax();
    return array;
  }

 private:
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char character) {
    skip_spaces();
    if (at_ == text_.size() || text_[at_] != character) return false;
    ++at_;
    return true;
  }
  void expect(char character) {
    if (!accept(character)) syntax();
  }
  bool accept_word(std::string_view word) {
    skip_spaces();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  std::string_view parse_string() {
    const char quote = accept('"') ? '"' : '\'';
    if (quote == '\'') expect('\'');
    const size_t end = text_.find(quote, at_);
    if (end == text_.npos) syntax();
    const std::string_view value = text_.substr(at_, end - at_);
    if (value.find('\\') != value.npos) syntax();
    at_ = end + 1;
    return value;
  }

  bool parse_bool() {
    if (accept_word("True")) return true;
    if (!accept_word("False")) syntax();
    return false;
  }

  std::vector<int64_t> parse_shape() {
    std::vector<int64_t> shape;
    expect('(');
    while (!accept(')')) {
      skip_spaces();
      int64_t size = -1;
      const char* end = text_.data() + text_.size();
      const auto [stop, error] = std::from_chars(text_.data() + at_, end, size);
      if (error != std::errc() || size < 0) syntax();
      if (shape.size() == kMaxRank) bad("T-NPY-06", "the shape must have at most 64 axes", "more");
      shape.push_back(size);
      at_ = static_cast<size_t>(stop - text_.data());
      if (!accept(',')) {
        // "(3)" is a number in Python, not a tuple.
        if (shape.size() == 1) syntax();
        expect(')');
        break;
      }
    }
    return shape;
  }

  ElementType parse_type() {
    skip_spaces();
    if (at_ < text_.size() && text_[at_] == '[') {
      origin_.unsupported("T-NPY-07", "arrays of records are not read", {},
                          "Save each field as an array of its own.");
    }
    const std::string_view descr = parse_string();
    using enum ElementType;
    constexpr std::pair<std::string_view, ElementType> kTypes[] = {
        {"|b1", kBool}, {"|u1", kU8},  {"|i1", kI8},  {"<u2", kU16}, {"<i2", kI16}, {"<f2", kF16},
        {"<u4", kU32},  {"<i4", kI32}, {"<f4", kF32}, {"<u8", kU64}, {"<i8", kI64}, {"<f8", kF64}};
    for (const auto& [name, type] : kTypes) {
      if (name == descr) return type;
    }
    if (descr.starts_with("|O")) {
      origin_.unsupported("T-NPY-08", "arrays of Python objects are pickles, which are never read",
                          {}, "Save arrays of numbers with allow_pickle=False.");
    }
    if (descr.size() > 1 && std::string_view("<>|=").find(descr[0]) != descr.npos) {
      origin_.unsupported("T-NPY-09", "the elements must be bools or little-endian numbers",
                          shown(descr), "Convert it with numpy's astype.");
    }
    bad("T-NPY-10", "descr must be a type such as '<f4'", shown(descr));
  }

  [[noreturn]] void bad(std::string_view id, std::string_view rule, const std::string& got) const {
    origin_.bad(id, rule, got);
  }
  [[noreturn]] void syntax() const {
    bad("T-NPY-04", "the header must be the literal of a Python dict",
        "a syntax error at its byte " + std::to_string(at_));
  }

  std::string_view text_;
  Origin origin_;
  size_t at_ = 0;
};

}  // namespace

NpyArray parse_npy(std::span<const std::byte> bytes, std::string_view file) {
  const Origin origin{"npy", file};
  Cursor cursor(bytes, origin, "T-NPY-01");
  if (as_text(cursor.take(kMagic.size(), "magic")) != kMagic) {
    origin.bad("T-NPY-02", "the file must begin with \"\\x93NUMPY\"", {}, "It may be no npy file.");
  }
  const auto version = cursor.little<uint8_t>("version");
  const auto minor = cursor.little<uint8_t>("version");
  if (version < 1 || version > 3 || minor != 0) {
    origin.unsupported("T-NPY-03", "the version must be 1.0, 2.0 or 3.0",
                       std::to_string(version) + "." + std::to_string(minor));
  }
  const uint64_t header_size =
      version == 1 ? cursor.little<uint16_t>("length") : cursor.little<uint32_t>("length");
  if (header_size > kHeaderLimit) {
    origin.bad("T-NPY-11", "the header must have at most 65,536 bytes",
               std::to_string(header_size));
  }
  NpyArray array = HeaderParser(as_text(cursor.take(header_size, "header")), origin).parse();
  array.data = cursor.rest();
  const std::optional<uint64_t> size = byte_size(array.shape, array.type);
  if (!size) origin.bad("T-NPY-12", "the array must be smaller than 2^63 bytes", "an overflow");
  if (array.data.size() != *size) {
    origin.bad("T-NPY-13",
               "the data must have the " + std::to_string(*size) + " bytes of their shape and type",
               std::to_string(array.data.size()));
  }
  return array;
}

}  // namespace tessera::io
