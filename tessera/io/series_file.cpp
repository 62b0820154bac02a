#include "tessera/io/series_file.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

namespace tessera::io {
namespace {

constexpr std::string_view kSpaces = " \t\r";

std::optional<double> read_number(std::string_view word) {
  if (word.starts_with('+')) word.remove_prefix(1);
  if (word.empty() || word.size() > kMaxNumberLength || word[0] == '+') return {};
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return {};
  return value;
}

bool is_missing(std::string_view word) { return word == "?" || lower_case(word) == "nan"; }

}  // namespace

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpaces);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string_view take_word(std::string_view& line) {
  line = trimmed(line);
  const size_t end = std::min(line.find_first_of(kSpaces), line.size());
  const std::string_view word = line.substr(0, end);
  line = trimmed(line.substr(end));
  return word;
}

bool SeriesLines::next(std::string_view& line) {
  while (!text_.empty()) {
    const size_t end = std::min(text_.find('\n'), text_.size());
    line = trimmed(text_.substr(0, end));
    text_.remove_prefix(std::min(end + 1, text_.size()));
    ++number_;
    if (!line.empty() && line[0] != '#' && line[0] != '%') return true;
  }
  return false;
}

float SeriesLines::value(std::string_view word) const {
  word = trimmed(word);
  if (word.size() <= 3 && is_missing(word)) return std::numeric_limits<float>::quiet_NaN();
  const std::optional<double> value = read_number(word);
  if (!value || !(std::abs(*value) <= std::numeric_limits<float>::max())) {
    bad("11", "values are numbers in float's range, or ? where one is missing", shown(word));
  }
  return static_cast<float>(*value);
}

double SeriesLines::target(std::string_view word) const {
  word = trimmed(word);
  const std::optional<double> value = read_number(word);
  if (!value || !std::isfinite(*value)) bad("12", "a target is a finite number", shown(word));
  return *value;
}

int64_t SeriesLines::class_of(std::string_view word, const std::vector<std::string>& names) const {
  word = trimmed(word);
  const auto found = std::ranges::find(names, word);
  if (found == names.end()) {
    std::string few;
    for (size_t i = 0; i < std::min<size_t>(names.size(), 5); ++i) {
      few += (i > 0 ? ", " : "") + shown(names[i]);
    }
    bad("13", "a label is one of the header's " + std::to_string(names.size()) + " classes: " + few,
        shown(word));
  }
  return found - names.begin();
}

void SeriesLines::add_class(std::string_view name, std::vector<std::string>& names) const {
  if (name.empty() || std::ranges::find(names, name) != names.end() ||
      names.size() == kMaxSeriesClasses) {
    bad("14", "classes have names, each its own, and are at most 10,000",
        names.size() == kMaxSeriesClasses ? "more" : shown(name));
  }
  names.emplace_back(name);
}

void SeriesLines::bad(std::string_view number, std::string_view rule, std::string_view got,
                      std::string_view next) const {
  const std::string id = std::string(prefix_) + std::string(number);
  const std::string where = "line " + std::to_string(number_) + ": " + std::string(rule);
  origin_.bad(id, where, got, next);
}

void SeriesLines::unsupported(std::string_view number, std::string_view rule, std::string_view got,
                              std::string_view next) const {
  const std::string id = std::string(prefix_) + std::string(number);
  const std::string where = "line " + std::to_string(number_) + ": " + std::string(rule);
  origin_.unsupported(id, where, got, next);
}

}  // namespace tessera::io
