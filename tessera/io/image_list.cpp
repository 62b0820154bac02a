#include "tessera/io/image_list.h"

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "tessera/io/cursor.h"

namespace tessera::io {
namespace {

/// Far above any set of classes, far below what a table of them could not hold.
constexpr int64_t kLargestLabel = int64_t{1} << 20;
/// The longest path of Linux.
constexpr size_t kLongestPath = 4096;
constexpr std::string_view kSpaces = " \t";

class ImageListParser {
 public:
  ImageListParser(std::string_view root, std::string_view file)
      : root_(root), origin_{"image list", file} {}

  std::vector<ImageListEntry> parse(std::string_view text) {
    if (text.empty()) origin_.bad("T-LIST-01", "must hold a line \"path label\"", "no bytes");
    std::vector<ImageListEntry> entries;
    while (!text.empty()) {
      ++line_;
      const size_t end = text.find('\n');
      if (end == text.npos) {
        bad("T-LIST-02", "end with a newline", "the file's end",
            "Add the newline if the list is whole.");
      }
      entries.push_back(entry(text.substr(0, end)));
      text.remove_prefix(end + 1);
    }
    return entries;
  }

 private:
  ImageListEntry entry(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    const size_t last = line.find_last_not_of(kSpaces);
    if (last == line.npos) bad("T-LIST-03", "be \"path label\"", "a blank line", "Delete it.");
    line = line.substr(0, last + 1);
    const size_t space = line.find_last_of(kSpaces);
    const size_t path_end = line.substr(0, space).find_last_not_of(kSpaces);
    if (space == line.npos || path_end == line.npos) {
      bad("T-LIST-03", "be \"path label\"", shown(line));
    }
    const int64_t value = label(line.substr(space + 1));
    std::string path = below_root(line.substr(0, path_end + 1));
    const auto [first, is_new] = lines_.try_emplace(path, line_);
    if (!is_new) {
      bad("T-LIST-06", "name a picture that no line before it names",
          shown(path) + " of line " + std::to_string(first->second), "Delete one of the two.");
    }
    return {.path = std::move(path), .label = value, .line = line_};
  }

  int64_t label(std::string_view text) const {
    int64_t value = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_whole = error == std::errc() && end == text.data() + text.size();
    if (!is_whole || value < 0 || value > kLargestLabel) {
      bad("T-LIST-04", "end in a whole label from 0 to " + std::to_string(kLargestLabel),
          shown(text), "Number the classes from 0.");
    }
    return value;
  }

  std::string below_root(std::string_view path) const {
    const auto refuse = [&] {
      bad("T-LIST-05", "name a picture below " + std::string(root_), shown(path),
          "Give paths relative to the root, without \"..\".");
    };
    const bool has_control =
        std::ranges::any_of(path, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
    if (path.size() > kLongestPath || has_control) refuse();
    std::string_view rest = path;
    if (path.starts_with('/')) {
      if (root_.empty() || !path.starts_with(root_)) refuse();
      rest.remove_prefix(root_.size());
      if (!root_.ends_with('/') && !rest.starts_with('/')) refuse();
    }
    std::string clean;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('/'), rest.size());
      const std::string_view part = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (part == "..") refuse();
      if (part.empty() || part == ".") continue;
      if (!clean.empty()) clean.push_back('/');
      clean.append(part);
    }
    if (clean.empty()) refuse();
    return clean;
  }

  [[noreturn]] void bad(std::string_view id, const std::string& rule, const std::string& got,
                        std::string_view next = {}) const {
    origin_.bad(id, "line " + std::to_string(line_) + " must " + rule, got, next);
  }

  std::string_view root_;
  Origin origin_;
  int64_t line_ = 0;
  std::unordered_map<std::string, int64_t> lines_;  ///< of each picture
};

}  // namespace

std::vector<ImageListEntry> parse_image_list(std::span<const std::byte> bytes,
                                             std::string_view root, std::string_view file) {
  return ImageListParser(root, file).parse(as_text(bytes));
}

}  // namespace tessera::io
