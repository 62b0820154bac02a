// The constants were printed by numpy 2.4 and CPython 3.11.
#include "tessera/data/reference_random.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>

namespace tessera::data {
namespace {

TEST(Mt19937, seeded_with_5489_gives_the_published_outputs) {
  Mt19937 engine;
  engine.seed(5489);
  EXPECT_EQ(engine.next(), 3499211612u);
  EXPECT_EQ(engine.next(), 581869302u);
  EXPECT_EQ(engine.next(), 3890346734u);
}

TEST(Mt19937, skip_is_as_many_calls) {
  for (const uint64_t count : {0u, 1u, 623u, 624u, 625u, 5000u}) {
    Mt19937 called, skipped;
    called.seed(9);
    skipped.seed(9);
    called.next();
    skipped.next();
    for (uint64_t i = 0; i < count; ++i) called.next();
    skipped.skip(count);
    EXPECT_EQ(called.next(), skipped.next()) << count;
  }
}

TEST(NumpyRandom, uniforms_normals_and_bounded_integers_are_numpys) {
  NumpyRandom random(43);
  EXPECT_EQ(random.uniform(), 0x1.d74374fe649a8p-4);
  EXPECT_EQ(random.uniform(), 0x1.37d791c69627cp-1);
  EXPECT_EQ(random.normal(), -0x1.83965177d408fp-2);
  EXPECT_EQ(random.normal(), -0x1.11e07515b900cp-1);
  EXPECT_EQ(random.normal(), 0x1.b75563bde4d2cp-1);
  for (const uint32_t expected : {0, 3, 2, 3, 3, 1}) EXPECT_EQ(random.below(5), expected);
}

TEST(NumpyRandom, a_bound_of_one_draws_nothing) {
  NumpyRandom random(42);
  EXPECT_EQ(random.below(1), 0u);
  EXPECT_EQ(random.uniform(), 0x1.7f8771e5f51ecp-2);
}

TEST(NumpyRandom, skipped_normals_leave_the_stream_where_drawn_ones_do) {
  NumpyRandom random(1);
  random.skip_normals(10007);
  EXPECT_EQ(random.normal(), -0x1.4f0df0081289fp-2);
  EXPECT_EQ(random.uniform(), 0x1.c9cd6a72f4a10p-1);

  NumpyRandom drawn(2), skipped(2);
  for (int i = 0; i < 8; ++i) drawn.normal();
  skipped.normal();
  skipped.skip_normals(7);
  EXPECT_EQ(drawn.normal(), skipped.normal());
}

TEST(NumpyRandom, choice_takes_the_first_cumulative_probability_above_the_uniform) {
  constexpr std::array<double, 3> probabilities = {0.5, 0.0, 0.5};
  NumpyRandom random(43), uniforms(43);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(random.choice(probabilities), uniforms.uniform() < 0.5 ? 0u : 2u);
  }
}

TEST(NumpyRandom, permutations_are_numpys) {
  EXPECT_EQ(NumpyRandom(7).permutation(10), (std::vector<int64_t>{8, 5, 0, 2, 1, 9, 7, 3, 6, 4}));
  // The one that splits QM9.
  const std::vector<int64_t> order = NumpyRandom(0).permutation(130831);
  EXPECT_EQ(std::vector<int64_t>(order.begin(), order.begin() + 4),
            (std::vector<int64_t>{130195, 68784, 7957, 25911}));
  EXPECT_EQ(std::vector<int64_t>(order.end() - 2, order.end()),
            (std::vector<int64_t>{43567, 68268}));
}

TEST(PythonRandom, uniforms_and_shuffles_are_cpythons) {
  PythonRandom random(3);
  EXPECT_EQ(random.uniform(), 0x1.e759ff97b7508p-3);
  std::vector<int> items(10);
  std::iota(items.begin(), items.end(), 0);
  random.shuffle(items);
  EXPECT_EQ(items, (std::vector<int>{1, 7, 9, 0, 6, 3, 4, 5, 2, 8}));
  EXPECT_EQ(random.uniform(), 0x1.d150a5359917ep-1);
}

TEST(PythonRandom, a_seed_of_two_words_uses_both) {
  EXPECT_EQ(PythonRandom((uint64_t{1} << 40) + 5).uniform(), 0x1.023e2261153dcp-1);
}

}  // namespace
}  // namespace tessera::data
