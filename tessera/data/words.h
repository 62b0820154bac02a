#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tessera/io/word_vectors.h"

namespace tessera::data {

struct TokenizerOptions {
  bool lower_case = true;  ///< ASCII letters only, as in published vectors
};

/// Words of English text, cut as spaCy and the Penn treebank cut it, which is what published word
/// vectors expect: at spaces and HTML line breaks; punctuation one mark a token, runs of one mark
/// ("...", "--") together; contractions in two ("do" "n't", "it" "'s"). A hyphen between letters is
/// a token, a point or comma between digits and a point in an initialism ("U.S.") is not. Bytes
/// from 0x80 on count as letters, so that any bytes can be cut and UTF-8 stays whole.
std::vector<std::string> tokenize(std::string_view text, const TokenizerOptions& options = {});

/// Words and their numbers. Token 0 is unknown, 1 is padding, as in the authors' text field; words
/// follow from 2 on, the most frequent first, equally frequent ones in alphabetical order.
class Vocabulary {
 public:
  static constexpr int64_t kUnknown = 0, kPadding = 1, kFirstWord = 2;

  /// The `max_words` most frequent words of the texts, of those that occur min_count times.
  Vocabulary(std::span<const std::vector<std::string>> texts, int64_t max_words,
             int64_t min_count = 1);

  /// Words and the two tokens that are none.
  int64_t size() const { return kFirstWord + static_cast<int64_t>(words_.size()); }
  /// The number of a word, or kUnknown.
  int64_t operator[](std::string_view word) const;
  const std::vector<std::string>& words() const { return words_; }
  std::vector<int64_t> encode(std::span<const std::string> text) const;

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::vector<std::string> words_;
  std::unordered_map<std::string, int64_t, Hash, std::equal_to<>> numbers_;
};

/// Vectors of a vocabulary's words from a file in GloVe's text format, plain or packed. A word is
/// looked for as it is, then in lower case. Throws as io::parse_word_vectors, Io.
struct VocabularyVectors {
  int64_t dim = 0;
  std::vector<float> values;     ///< size() · dim, row by row; zero where there is none
  std::vector<bool> has_vector;  ///< size()
};
VocabularyVectors load_vectors(const std::string& path, const Vocabulary& vocabulary);

}  // namespace tessera::data
