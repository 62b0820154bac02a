#include "tessera/io/word_vectors.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "tessera/io/cursor.h"

namespace tessera::io {
namespace {

/// Published vectors have 25 to 300 numbers, seldom 1,024.
constexpr size_t kMaxDim = 4096;
/// A word and kMaxDim numbers of full precision; also what an error may have to look through.
constexpr size_t kMaxLine = size_t{1} << 17;
constexpr size_t kMaxWord = 4096;

class Line {
 public:
  Line(std::string_view text, size_t number, const Origin& origin)
      : text_(text), number_(number), origin_(origin) {
    while (text_.ends_with('\r') || text_.ends_with(' ')) text_.remove_suffix(1);
    if (text.size() > kMaxLine) {
      bad("T-VEC-02", "at most " + std::to_string(kMaxLine) + " bytes",
          std::to_string(text.size()));
    }
  }

  size_t spaces() const { return static_cast<size_t>(std::count(text_.begin(), text_.end(), ' ')); }
  /// Cuts the last `dim` fields off; what is left is the word.
  std::string_view word(size_t dim) {
    size_t at = text_.size();
    for (size_t k = 0; k < dim; ++k) {
      const size_t space = at == 0 ? text_.npos : text_.rfind(' ', at - 1);
      if (space == text_.npos) {
        bad("T-VEC-03", "a word and " + std::to_string(dim) + " numbers",
            std::to_string(spaces() + 1) + " fields");
      }
      at = space;
    }
    numbers_ = text_.substr(at);
    if (at == 0 || at > kMaxWord) {
      bad("T-VEC-03", "a word of 1 to " + std::to_string(kMaxWord) + " bytes",
          std::to_string(at) + " bytes");
    }
    return text_.substr(0, at);
  }
  /// The next number behind the word.
  float number() {
    numbers_.remove_prefix(1);
    const std::string_view field = numbers_.substr(0, numbers_.find(' '));
    float value = 0;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
    if (error != std::errc() || end != field.data() + field.size() || !std::isfinite(value)) {
      bad("T-VEC-04", "finite numbers", shown(field));
    }
    numbers_.remove_prefix(field.size());
    return value;
  }
  [[noreturn]] void bad(std::string_view id, const std::string& what,
                        const std::string& got) const {
    origin_.bad(id, "line " + std::to_string(number_) + " must hold " + what, got);
  }

 private:
  std::string_view text_, numbers_;
  size_t number_;
  const Origin& origin_;
};

}  // namespace

WordVectors parse_word_vectors(std::span<const std::byte> bytes,
                               const std::function<bool(std::string_view word)>& is_wanted,
                               std::string_view file) {
  const Origin origin{"word vectors", file};
  std::string_view text = as_text(bytes);
  WordVectors vectors;
  std::set<std::string, std::less<>> seen;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    Line line(text.substr(0, end), number, origin);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (number == 1) {
      vectors.dim = line.spaces();
      if (vectors.dim < 1 || vectors.dim > kMaxDim) {
        line.bad("T-VEC-05", "a word and 1 to " + std::to_string(kMaxDim) + " numbers",
                 std::to_string(vectors.dim) + " numbers");
      }
    }
    const std::string_view word = line.word(vectors.dim);
    if (!is_wanted(word)) continue;
    if (!seen.emplace(word).second) line.bad("T-VEC-06", "a new word", shown(word) + " again");
    vectors.words.emplace_back(word);
    for (size_t k = 0; k < vectors.dim; ++k) vectors.values.push_back(line.number());
  }
  if (vectors.dim == 0) origin.bad("T-VEC-01", "the file must hold vectors", "an empty file");
  return vectors;
}

}  // namespace tessera::io
