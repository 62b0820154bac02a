#include "tessera/io/csv.h"

#include <charconv>
#include <cmath>
#include <string>
#include <type_traits>

#include "tessera/io/cursor.h"

namespace tessera::io {
namespace {

/// A number in print: 40 characters hold any double.
constexpr size_t kMaxField = 64;

std::string_view trimmed(std::string_view field) {
  const size_t begin = field.find_first_not_of(" \t");
  if (begin == field.npos) return {};
  return field.substr(begin, field.find_last_not_of(" \t") + 1 - begin);
}

template <class T>
class Parser {
 public:
  explicit Parser(std::string_view file) : origin_{"csv", file} {}

  CsvTable<T> parse(std::string_view text) {
    CsvTable<T> table;
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      std::string_view line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      ++line_;
      if (line.ends_with('\r')) line.remove_suffix(1);
      const int64_t cols = parse_line(line, table.value);
      if (table.rows == 0) table.cols = cols;
      if (cols != table.cols) {
        bad("T-CSV-02", "hold " + std::to_string(table.cols) + " numbers as the first line does",
            std::to_string(cols));
      }
      ++table.rows;
    }
    return table;
  }

 private:
  int64_t parse_line(std::string_view line, std::vector<T>& into) const {
    int64_t cols = 1;
    while (true) {
      const size_t comma = line.find(',');
      into.push_back(number(trimmed(line.substr(0, comma))));
      if (comma == line.npos) return cols;
      line.remove_prefix(comma + 1);
      ++cols;
    }
  }

  T number(std::string_view field) const {
    constexpr const char* kWhat = std::is_integral_v<T> ? "64-bit integers" : "finite numbers";
    T value = 0;
    const char* end = field.data() + field.size();
    std::from_chars_result result{};
    if (field.size() <= kMaxField) result = std::from_chars(field.data(), end, value);
    bool is_good = !field.empty() && result.ptr == end && result.ec == std::errc();
    if constexpr (std::is_floating_point_v<T>) {
      // What rounds to zero is a number all the same.
      if (result.ptr == end && result.ec == std::errc::result_out_of_range) {
        double wide = 1;
        const auto again = std::from_chars(field.data(), end, wide);
        is_good = again.ec == std::errc() && std::fabs(wide) < 1;
        value = 0;
      }
      is_good = is_good && std::isfinite(value);
    }
    if (!is_good) bad("T-CSV-01", std::string("hold ") + kWhat, shown(field));
    return value;
  }

  [[noreturn]] void bad(std::string_view id, const std::string& rule,
                        const std::string& got) const {
    origin_.bad(id, "line " + std::to_string(line_) + " must " + rule, got);
  }

  Origin origin_;
  int64_t line_ = 0;
};

}  // namespace

CsvTable<int64_t> parse_csv_integers(std::span<const std::byte> bytes, std::string_view file) {
  return Parser<int64_t>(file).parse(as_text(bytes));
}

CsvTable<float> parse_csv_floats(std::span<const std::byte> bytes, std::string_view file) {
  return Parser<float>(file).parse(as_text(bytes));
}

}  // namespace tessera::io
