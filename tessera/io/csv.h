#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace tessera::io {

/// A table of numbers, row by row.
template <class T>
struct CsvTable {
  int64_t rows = 0, cols = 0;
  std::vector<T> value;
};

/// Parses comma-separated numbers without a header, every row with as many; spaces around a number
/// and "\r\n" are allowed, quotes and empty fields are not. An empty file is a table of 0 × 0.
/// Throws BadFile naming the line: no number, one out of T's range or not finite, other widths.
CsvTable<int64_t> parse_csv_integers(std::span<const std::byte> bytes, std::string_view file = {});
CsvTable<float> parse_csv_floats(std::span<const std::byte> bytes, std::string_view file = {});

}  // namespace tessera::io
