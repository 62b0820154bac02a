#include "tessera/core/text.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

TEST(EditDistance, counts_a_swap_of_neighbours_as_one) {
  EXPECT_EQ(edit_distance("recipe", "recpie"), 1u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

TEST(Nearest, a_typo_finds_its_word_and_a_stranger_finds_none) {
  const std::vector<std::string> names{"hidden_dim", "num_layers", "dim"};
  EXPECT_EQ(nearest("hiden_dim", names), "hidden_dim");
  EXPECT_EQ(nearest("temperature", names), "");
  EXPECT_EQ(did_you_mean("hiden_dim", names), "Did you mean \"hidden_dim\"?");
  EXPECT_EQ(did_you_mean("temperature", names), "Known: hidden_dim, num_layers, dim.");
}

TEST(GlobMatch, star_and_question_mark) {
  EXPECT_TRUE(glob_match("egnn", "egnn"));
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("n*y_*", "nbody_egnn"));
  EXPECT_TRUE(glob_match("e?nn", "egnn"));
  EXPECT_TRUE(glob_match("*a*b", "xaayab"));
  EXPECT_FALSE(glob_match("e?nn", "enn"));
  EXPECT_FALSE(glob_match("egnn", "egnn2"));
  EXPECT_FALSE(glob_match("*b", "abc"));
}

TEST(EntryMatch, a_pattern_without_a_slash_is_of_systems) {
  EXPECT_TRUE(entry_match("egnn", "egnn/nbody"));
  EXPECT_TRUE(entry_match("e*", "egnn/nbody"));
  EXPECT_TRUE(entry_match("egnn/n*", "egnn/nbody"));
  EXPECT_TRUE(entry_match("*/nbody", "egnn/nbody"));
  EXPECT_FALSE(entry_match("nbody", "egnn/nbody"));
  EXPECT_FALSE(entry_match("eg", "egnn/nbody"));
}

TEST(Shortest, reads_back_as_the_same_number) {
  EXPECT_EQ(shortest(0.0005), "0.0005");
  EXPECT_EQ(shortest(1e-12), "1e-12");
  EXPECT_EQ(std::stod(shortest(0.1 + 0.2)), 0.1 + 0.2);
}

TEST(Split, keeps_empty_parts) {
  EXPECT_EQ(split("a..b", '.'), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(join(split("a.b", '.'), "/"), "a/b");
}

}  // namespace
}  // namespace tessera
