#include "tessera/core/text.h"

#include <algorithm>
#include <charconv>
#include <numeric>

namespace tessera {

size_t edit_distance(std::string_view a, std::string_view b) {
  // Rows of the Damerau–Levenshtein table (adjacent swaps): the two before the present one are
  // kept.
  std::vector<size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
  const std::string* best = nullptr;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = &candidate;
    }
  }
  return best ? *best : "";
}

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates) {
  const std::string name = nearest(word, candidates);
  if (!name.empty()) return "Did you mean \"" + name + "\"?";
  if (candidates.empty()) return "";
  // A line is read, a page is not.
  constexpr size_t kMostShown = 20;
  const size_t shown = std::min(candidates.size(), kMostShown);
  const std::string more =
      shown < candidates.size() ? ", … (" + std::to_string(candidates.size()) + " in all)" : "";
  return "Known: " + join(candidates.first(shown), ", ") + more + ".";
}

bool glob_match(std::string_view pattern, std::string_view name) {
  // Greedy match with one point of return: the last star seen and what it had swallowed by then.
  size_t p = 0, n = 0, star = std::string_view::npos, swallowed = 0;
  while (n < name.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n]) && pattern[p] != '*') {
      ++p, ++n;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      swallowed = n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++swallowed;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool entry_match(std::string_view pattern, std::string_view name) {
  const bool names_systems = pattern.find('/') == std::string_view::npos;
  return glob_match(pattern, names_systems ? name.substr(0, name.find('/')) : name);
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i) text.append(separator);
    text.append(parts[i]);
  }
  return text;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (true) {
    const size_t end = text.find(separator, begin);
    parts.emplace_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return parts;
    begin = end + 1;
  }
}

std::string shortest(double value) {
  char buffer[32];
  const auto result =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general);
  return {buffer, result.ptr};
}

}  // namespace tessera
