#include "cli/table.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "tessera/core/text.h"

namespace tessera::cli {
namespace {

// Less than this is not worth wrapping into.
constexpr size_t kNarrowest = 24;

std::string padded(const std::string& text, size_t width) {
  return text + std::string(width - std::min(width, display_width(text)), ' ');
}

}  // namespace

size_t display_width(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0) != 0x80;  // not a continuation byte
  }));
}

size_t terminal_width() {
  winsize size{};
  if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

std::vector<std::string> wrap(std::string_view text, size_t width) {
  if (width == 0) return {std::string(text)};
  std::vector<std::string> lines(1);
  for (const std::string& word : split(text, ' ')) {
    std::string& line = lines.back();
    if (line.empty()) {
      line = word;
    } else if (display_width(line) + 1 + display_width(word) <= width) {
      line += " " + word;
    } else {
      lines.push_back(word);
    }
  }
  return lines;
}

std::string Table::text(size_t indent, size_t width) const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (size_t c = 0; c < row.size(); ++c) {
      widths[c] = std::max(widths[c], display_width(row[c]));
    }
  }
  size_t last = 0, left_of_last = indent;
  for (size_t c = 0; c < widths.size(); ++c) {
    if (widths[c] == 0) continue;
    if (c < head_.size()) widths[c] = std::max(widths[c], display_width(head_[c]));
    last = c;
  }
  for (size_t c = 0; c < last; ++c) {
    if (widths[c] > 0) left_of_last += widths[c] + 2;
  }
  const size_t room = width > left_of_last + kNarrowest ? width - left_of_last : 0;

  std::string out;
  const auto add_line = [&](const std::vector<std::string>& row) {
    std::string line(indent, ' ');
    for (size_t c = 0; c < last; ++c) {
      if (widths[c] > 0) line += padded(c < row.size() ? row[c] : "", widths[c]) + "  ";
    }
    const auto lines = wrap(last < row.size() ? row[last] : "", room);
    for (size_t i = 0; i < lines.size(); ++i) {
      line += i == 0 ? lines[i] : "\n" + std::string(left_of_last, ' ') + lines[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  if (!head_.empty()) add_line(head_);
  for (const auto& row : rows_) add_line(row);
  return out;
}

}  // namespace tessera::cli
