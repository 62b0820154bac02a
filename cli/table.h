#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tessera::cli {

/// Columns of a terminal that show `text` (UTF-8), one for each character.
size_t display_width(std::string_view text);

/// The width to fit: the terminal's; 0 (no limit) where standard output is not one, so that a line
/// stays a line for grep.
size_t terminal_width();

/// Words broken into lines of at most `width` columns; 0 breaks nothing.
std::vector<std::string> wrap(std::string_view text, size_t width);

/// Text in aligned columns. Columns that are empty in every row are left out; the last one is
/// wrapped to the width.
class Table {
 public:
  explicit Table(std::vector<std::string> head = {}) : head_(std::move(head)) {}

  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }
  std::string text(size_t indent = 0, size_t width = terminal_width()) const;

 private:
  std::vector<std::string> head_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace tessera::cli
