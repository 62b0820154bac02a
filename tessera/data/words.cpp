#include "tessera/data/words.h"

#include <algorithm>
#include <array>

#include "tessera/io/file.h"
#include "tessera/io/unpack.h"

namespace tessera::data {
namespace {

/// glove.840B, the largest that is published, has 5.6 GB of text.
constexpr size_t kLargestVectors = size_t{8} << 30;

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}
bool is_word(char c) { return is_letter(c) || is_digit(c); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equals_lower(std::string_view text, std::string_view lower_text) {
  return std::ranges::equal(text, lower_text, {}, lower);
}

/// Length of the HTML line break that `text` begins with, "<br />" in any spacing, or 0.
size_t line_break(std::string_view text) {
  if (text.size() < 4 || !equals_lower(text.substr(0, 3), "<br")) return 0;
  size_t at = 3;
  while (at < text.size() && (text[at] == ' ' || text[at] == '/')) ++at;
  return at < text.size() && text[at] == '>' ? at + 1 : 0;
}

/// Whether the mark at `at` belongs to the word around it.
bool joins(std::string_view text, size_t at) {
  const char mark = text[at];
  if (at == 0 || at + 1 >= text.size()) return false;
  const char before = text[at - 1], after = text[at + 1];
  if (mark == '\'') return is_letter(before) && is_letter(after);
  if (mark == ',' || mark == ':') return is_digit(before) && is_digit(after);
  if (mark != '.') return false;
  if (is_digit(before) && is_digit(after)) return true;
  // U.S.: single letters with points between them.
  const bool single_before = is_letter(before) && (at < 2 || !is_word(text[at - 2]));
  const bool single_after = is_letter(after) && (at + 2 >= text.size() || !is_word(text[at + 2]));
  return single_before && single_after;
}

/// "U.S." keeps its last point: there is one before already.
bool ends_initialism(std::string_view text, size_t begin, size_t at) {
  return at < text.size() && text[at] == '.' && at - begin >= 3 && text[at - 2] == '.' &&
         is_letter(text[at - 1]);
}

/// Appends a word, in two parts where it is a contraction.
void add_word(std::vector<std::string>& tokens, std::string word) {
  constexpr std::array<std::string_view, 6> kEndings = {"'s", "'m", "'d", "'ll", "'re", "'ve"};
  size_t cut = word.size();
  if (word.size() > 3 && equals_lower(std::string_view(word).substr(word.size() - 3), "n't")) {
    cut = word.size() - 3;
  } else {
    for (const std::string_view ending : kEndings) {
      if (word.size() <= ending.size()) continue;
      const size_t at = word.size() - ending.size();
      if (equals_lower(std::string_view(word).substr(at), ending)) cut = at;
    }
  }
  std::string rest = word.substr(cut);
  word.resize(cut);
  tokens.push_back(std::move(word));
  if (!rest.empty()) tokens.push_back(std::move(rest));
}

}  // namespace

std::vector<std::string> tokenize(std::string_view text, const TokenizerOptions& options) {
  std::vector<std::string> tokens;
  const auto cased = [&](std::string_view part) {
    std::string word(part);
    if (options.lower_case) std::ranges::transform(word, word.begin(), lower);
    return word;
  };
  for (size_t at = 0; at < text.size();) {
    if (is_space(text[at])) {
      ++at;
      continue;
    }
    if (const size_t length = line_break(text.substr(at))) {
      at += length;
      continue;
    }
    const size_t begin = at;
    if (!is_word(text[at])) {
      while (at < text.size() && text[at] == text[begin]) ++at;
      tokens.emplace_back(text.substr(begin, at - begin));
      continue;
    }
    while (at < text.size() && (is_word(text[at]) || joins(text, at))) ++at;
    if (ends_initialism(text, begin, at)) ++at;
    add_word(tokens, cased(text.substr(begin, at - begin)));
  }
  return tokens;
}

Vocabulary::Vocabulary(std::span<const std::vector<std::string>> texts, int64_t max_words,
                       int64_t min_count) {
  std::unordered_map<std::string_view, int64_t> counts;
  for (const auto& text : texts) {
    for (const std::string& word : text) ++counts[word];
  }
  std::vector<std::pair<std::string_view, int64_t>> order;
  for (const auto& item : counts) {
    if (item.second >= min_count) order.push_back(item);
  }
  std::ranges::sort(order, [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  if (max_words >= 0 && std::ssize(order) > max_words) order.resize(static_cast<size_t>(max_words));
  for (const auto& [word, count] : order) {
    numbers_.emplace(word, size());
    words_.emplace_back(word);
  }
}

int64_t Vocabulary::operator[](std::string_view word) const {
  const auto found = numbers_.find(word);
  return found == numbers_.end() ? kUnknown : found->second;
}

std::vector<int64_t> Vocabulary::encode(std::span<const std::string> text) const {
  std::vector<int64_t> numbers;
  numbers.reserve(text.size());
  for (const std::string& word : text) numbers.push_back((*this)[word]);
  return numbers;
}

VocabularyVectors load_vectors(const std::string& path, const Vocabulary& vocabulary) {
  const io::MappedFile mapped(path);
  std::vector<std::byte> storage;
  const auto bytes = io::unpack(mapped.bytes(), kLargestVectors, storage, path);

  // Each spelling that is looked for, and the words that it serves: itself, then its capitals.
  std::unordered_map<std::string, std::vector<int64_t>> wanted;
  for (const std::string& word : vocabulary.words()) {
    std::string low = word;
    std::ranges::transform(low, low.begin(), lower);
    wanted[word].push_back(vocabulary[word]);
    if (low != word) wanted[low].push_back(vocabulary[word]);
  }
  const io::WordVectors found = io::parse_word_vectors(
      bytes, [&](std::string_view word) { return wanted.contains(std::string(word)); }, path);

  VocabularyVectors result{.dim = static_cast<int64_t>(found.dim)};
  const auto size = static_cast<size_t>(vocabulary.size());
  result.values.assign(size * found.dim, 0);
  result.has_vector.assign(size, false);
  for (const bool exact : {true, false}) {
    for (size_t i = 0; i < found.words.size(); ++i) {
      for (const int64_t number : wanted.at(found.words[i])) {
        const auto row = static_cast<size_t>(number);
        const bool is_exact = vocabulary.words()[row - Vocabulary::kFirstWord] == found.words[i];
        if (is_exact != exact || result.has_vector[row]) continue;
        std::copy_n(found.values.begin() + static_cast<std::ptrdiff_t>(i * found.dim), found.dim,
                    result.values.begin() + static_cast<std::ptrdiff_t>(row * found.dim));
        result.has_vector[row] = true;
      }
    }
  }
  return result;
}

}  // namespace tessera::data
