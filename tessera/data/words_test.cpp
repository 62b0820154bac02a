#include "tessera/data/words.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tessera/core/error.h"
#include "tessera/io/temporary_folder.h"

namespace tessera::data {
namespace {

using Words = std::vector<std::string>;

TEST(Tokenize, words_and_marks_come_apart) {
  EXPECT_EQ(tokenize("Bad, bad film!"), (Words{"bad", ",", "bad", "film", "!"}));
  EXPECT_EQ(tokenize("(well-made)"), (Words{"(", "well", "-", "made", ")"}));
  EXPECT_EQ(tokenize("so... \"so\"?!"), (Words{"so", "...", "\"", "so", "\"", "?", "!"}));
  EXPECT_EQ(tokenize("10/10"), (Words{"10", "/", "10"}));
}

TEST(Tokenize, contractions_come_in_two_parts) {
  EXPECT_EQ(tokenize("I don't"), (Words{"i", "do", "n't"}));
  EXPECT_EQ(tokenize("It's they're I'M"), (Words{"it", "'s", "they", "'re", "i", "'m"}));
  EXPECT_EQ(tokenize("we'll you'd I've"), (Words{"we", "'ll", "you", "'d", "i", "'ve"}));
  EXPECT_EQ(tokenize("'quoted'"), (Words{"'", "quoted", "'"}));
  EXPECT_EQ(tokenize("o'clock"), (Words{"o'clock"}));
}

TEST(Tokenize, points_stay_in_numbers_and_initialisms) {
  EXPECT_EQ(tokenize("7.5 of 1,000."), (Words{"7.5", "of", "1,000", "."}));
  EXPECT_EQ(tokenize("the U.S. army"), (Words{"the", "u.s.", "army"}));
  EXPECT_EQ(tokenize("end.Next"), (Words{"end", ".", "next"}));
  EXPECT_EQ(tokenize("at 5 p.m. sharp"), (Words{"at", "5", "p.m.", "sharp"}));
}

TEST(Tokenize, line_breaks_are_spaces) {
  EXPECT_EQ(tokenize("one<br />two<BR/>three<br>four"), (Words{"one", "two", "three", "four"}));
  EXPECT_EQ(tokenize("a <b c"), (Words{"a", "<", "b", "c"}));
}

TEST(Tokenize, any_bytes_are_cut_and_utf8_stays_whole) {
  EXPECT_EQ(tokenize("Amélie café"), (Words{"amélie", "café"}));
  EXPECT_TRUE(tokenize("").empty());
  EXPECT_TRUE(tokenize(" \t\r\n").empty());
  std::string all;
  for (int b = 0; b < 256; ++b) all.push_back(static_cast<char>(b));
  EXPECT_FALSE(tokenize(all + all).empty());
  EXPECT_EQ(tokenize("<br").size(), 2u);
}

TEST(Tokenize, capitals_can_stay) {
  EXPECT_EQ(tokenize("The End", {.lower_case = false}), (Words{"The", "End"}));
}

TEST(Vocabulary, the_most_frequent_words_come_first) {
  const std::vector<Words> texts = {{"b", "a", "b", "c"}, {"c", "b", "d"}};
  const Vocabulary vocabulary(texts, 3);
  EXPECT_EQ(vocabulary.words(), (Words{"b", "c", "a"}));
  EXPECT_EQ(vocabulary.size(), 5);
  EXPECT_EQ(vocabulary["b"], 2);
  EXPECT_EQ(vocabulary["d"], Vocabulary::kUnknown);
  EXPECT_EQ(vocabulary.encode(Words{"a", "x", "b"}), (std::vector<int64_t>{4, 0, 2}));
  EXPECT_EQ(Vocabulary(texts, 10, 2).words(), (Words{"b", "c"}));
}

TEST(WordVectors, are_found_as_written_then_in_small_letters) {
  const std::vector<Words> texts = {{"The", "the", "Film", "odd"}};
  const Vocabulary vocabulary(texts, 10);
  const io::TemporaryFolder folder;
  std::ofstream(folder / "v.txt") << "other 9 9\nfilm 1 2\nthe 3 4\nThe 5 6\n";
  const VocabularyVectors vectors = load_vectors(folder / "v.txt", vocabulary);
  EXPECT_EQ(vectors.dim, 2);
  const auto of = [&](const char* word) {
    const auto row = static_cast<size_t>(vocabulary[word]);
    return std::vector<float>{vectors.values[2 * row], vectors.values[2 * row + 1]};
  };
  EXPECT_EQ(of("The"), (std::vector<float>{5, 6}));
  EXPECT_EQ(of("the"), (std::vector<float>{3, 4}));
  EXPECT_EQ(of("Film"), (std::vector<float>{1, 2}));
  EXPECT_EQ(of("odd"), (std::vector<float>{0, 0}));
  EXPECT_FALSE(vectors.has_vector[static_cast<size_t>(vocabulary["odd"])]);
  EXPECT_EQ(vectors.values[0], 0);
  EXPECT_THROW(load_vectors(folder / "none.txt", vocabulary), Io);
}

}  // namespace
}  // namespace tessera::data
