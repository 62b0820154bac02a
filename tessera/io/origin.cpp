#include "tessera/io/origin.h"

#include <string>

#include "tessera/core/error.h"

namespace tessera::io {
namespace {

std::string located(const Origin& origin, std::string_view rule) {
  std::string text;
  if (!origin.file.empty()) text.append(origin.file).append(": ");
  return text.append(rule);
}

constexpr size_t kQuotedLimit = 80;

}  // namespace

void Origin::bad(std::string_view id, std::string_view rule, std::string_view got,
                 std::string_view next) const {
  const std::string text = located(*this, rule);
  fail<BadFile>({.where = format, .rule = text, .got = got, .next = next, .id = id});
}

void Origin::unsupported(std::string_view id, std::string_view rule, std::string_view got,
                         std::string_view next) const {
  const std::string text = located(*this, rule);
  fail<Unsupported>({.where = format, .rule = text, .got = got, .next = next, .id = id});
}

std::string shown(std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string result = "\"";
  for (const char character : text.substr(0, kQuotedLimit)) {
    const auto code = static_cast<unsigned char>(character);
    if (code < 0x20 || code >= 0x7f) {
      result.append("\\x").append({kDigits[code >> 4], kDigits[code & 15]});
    } else {
      result.push_back(character);
    }
  }
  if (text.size() > kQuotedLimit) result.append("...");
  return result.append("\"");
}

}  // namespace tessera::io
