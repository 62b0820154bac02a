#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::io {

/// Vectors of words, row by row.
struct WordVectors {
  size_t dim = 0;
  std::vector<std::string> words;
  std::vector<float> values;  ///< words.size() · dim
};

/// Parses GloVe's text format: one line a word, the word and `dim` numbers with a space in front of
/// each, dim as in the first line. Words may hold spaces (glove.840B has some): the last dim fields
/// are the numbers. Only words that `is_wanted` says are kept and their numbers read; of the other
/// lines only the number of fields is checked, which is what makes a file of a gigabyte quick.
/// Throws BadFile naming the line: no vectors, a line too long or with too few fields, a number
/// that is none or not finite, a wanted word given twice.
WordVectors parse_word_vectors(std::span<const std::byte> bytes,
                               const std::function<bool(std::string_view word)>& is_wanted,
                               std::string_view file = {});

}  // namespace tessera::io
