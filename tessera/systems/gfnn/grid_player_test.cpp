#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <new>

#include "tessera/core/refused_test.h"
#include "tessera/systems/gfnn/test_models.h"

// The player is the model, sample by sample, and asks the system for nothing while it runs.

// Sanitizers bring allocation functions of their own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TESSERA_COUNTS_ALLOCATIONS 0
#else
#define TESSERA_COUNTS_ALLOCATIONS 1
namespace {
thread_local int64_t allocations = 0;
}
void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#endif

namespace tessera::gfnn {
namespace {

using testing::config_of;
using testing::coordinates;
using testing::distance;
using testing::draw;
using testing::grid_of;
using testing::model_of;
using testing::small;

std::span<const float> row(const at::Tensor& t, int64_t i) {
  return {t.const_data_ptr<float>() + i * t.size(1), static_cast<size_t>(t.size(1))};
}

/// All frames, (N, out).
at::Tensor play(GridPlayer& player, const at::Tensor& x, const at::Tensor& g) {
  const at::Tensor y = at::empty({x.size(0), player.out_dim()});
  for (int64_t i = 0; i < x.size(0); ++i) {
    player.frame(row(x, i), row(g, i),
                 {y.mutable_data_ptr<float>() + i * y.size(1), static_cast<size_t>(y.size(1))});
  }
  return y;
}

TEST(GfnnPlayer, equals_the_model_frame_by_frame) {
  const at::NoGradGuard no_grad;
  for (const char* activation : {"relu", "elu", "tanh", "silu", "identity"}) {
    for (const char* interpolation : {"nearest", "linear", "cubic"}) {
      const auto model = grid_of(
          small({{"activation", activation}, {"interpolation", interpolation}}), at::kFloat);
      GridPlayer player = model->player(0);
      const at::Tensor x = draw({60, 3}, 1, at::kFloat), g = 1.5 * draw({60, 2}, 3, at::kFloat);
      EXPECT_LT(distance(play(player, x, g), model->forward(x, g)), 1e-5)
          << activation << " " << interpolation;
    }
  }
}

TEST(GfnnPlayer, allocates_nothing_in_a_frame) {
#if TESSERA_COUNTS_ALLOCATIONS
  const auto model = grid_of(small(), at::kFloat);
  GridPlayer player = model->player(0);
  const at::Tensor x = draw({20, 3}, 1, at::kFloat), g = draw({20, 2}, 3, at::kFloat);
  std::vector<float> y(2);
  const int64_t at_construction = allocations;
  std::vector<std::span<const float>> xs, gs;
  for (int64_t i = 0; i < 20; ++i) {
    xs.push_back(row(x, i));
    gs.push_back(row(g, i));
  }
  ASSERT_GT(allocations, at_construction) << "the count sees allocations";
  const int64_t before = allocations;
  for (size_t i = 0; i < xs.size(); ++i) player.frame(xs[i], gs[i], y);
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(player.blends(), 20);
#else
  GTEST_SKIP() << "sanitizers bring allocation functions of their own";
#endif
}

TEST(GfnnPlayer, blends_again_only_beyond_its_reach) {
  const auto model = grid_of(small(), at::kFloat);
  const at::Tensor x = draw({1, 3}, 1, at::kFloat).expand({5, 3}).contiguous();
  // Node spacings 0.5 on both axes; the second is periodic with length 2.
  const at::Tensor g =
      torch::tensor({0.0f, 1.99f, 0.04f, 1.99f, 0.04f, 0.01f, 0.06f, 1.99f, 0.06f, 0.1f})
          .view({5, 2});
  GridPlayer exact = model->player(0), near = model->player(0.1);
  play(exact, x, g);
  EXPECT_EQ(exact.blends(), 5);
  const at::Tensor y = play(near, x, g);
  EXPECT_EQ(near.frames(), 5);
  EXPECT_EQ(near.blends(), 3);
  EXPECT_TRUE(at::equal(y[0], y[2])) << "kept across the seam";
  EXPECT_FALSE(at::equal(y[0], y[3]));
  GridPlayer same = model->player(0);
  const at::Tensor place = g.narrow(0, 0, 1).expand({5, 2}).contiguous();
  play(same, x, place);
  EXPECT_EQ(same.blends(), 1);
}

TEST(GfnnPlayer, takes_the_largest_coordinates_on_a_short_periodic_axis) {
  const at::NoGradGuard no_grad;
  const auto model = grid_of(
      small({{"grid_low", {0, 0}}, {"grid_high", {1, 1e-3}}, {"grid_periodic", {false, true}}}),
      at::kFloat);
  GridPlayer player = model->player(0);
  const float most = std::numeric_limits<float>::max();
  const at::Tensor x = draw({4, 3}, 1, at::kFloat);
  const at::Tensor g =
      torch::tensor({most, most, -most, -most, 0.5f, most, most, 0.0f}).view({4, 2});
  const at::Tensor y = play(player, x, g);
  EXPECT_TRUE(y.isfinite().all().item<bool>()) << y;
  EXPECT_LT(distance(y, model->forward(x, g)), 1e-5);
  EXPECT_LT(distance(y, grid_of(small({{"grid_low", {0, 0}},
                                       {"grid_high", {1, 1e-3}},
                                       {"grid_periodic", {false, true}}}),
                                at::kDouble)
                            ->forward(x.to(at::kDouble), g.to(at::kDouble))
                            .to(at::kFloat)),
            1e-4);
}

TEST(GfnnPlayer, counts_frames_beyond_the_ends) {
  const auto model = grid_of(small(), at::kFloat);
  GridPlayer player = model->player(0);
  play(player, draw({4, 3}, 1, at::kFloat),
       torch::tensor({-1.0f, 0.0f, 1.0f, 9.0f, 1.01f, 0.0f, -5.0f, 0.0f}).view({4, 2}));
  EXPECT_EQ(player.clamped(), 2);
}

TEST(GfnnPlayer, a_model_that_plays_sees_new_weights) {
  const at::NoGradGuard no_grad;
  const auto playing =
      grid_of(small({{"cache_reach", 0}, {"return_node_weights", false}}), at::kFloat);
  const at::Tensor x = draw({1, 3}, 1, at::kFloat), g = draw({1, 2}, 3, at::kFloat);
  const TensorMap inputs = {{"x", x}, {"g", g}};
  const at::Tensor before = playing->run(inputs).at("y").clone();
  EXPECT_LT(distance(before, playing->forward(x, g)), 1e-5);
  for (at::Tensor& parameter : playing->parameters()) parameter.mul_(1.5);
  const at::Tensor after = playing->run(inputs).at("y");
  EXPECT_GT(distance(before, after), 1e-3);
  EXPECT_LT(distance(after, playing->forward(x, g)), 1e-5);
}

// ---- What is refused ----------------------------------------------------------------------------

using tessera::testing::refused;

TEST(GfnnErrors, configurations_that_cannot_be) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto bad = [](const std::string& id, const Json& values) {
    return refused(id, [&] { config_of(small(values)); });
  };
  bad("T-GFN-01", {{"dropout", 1}});
  bad("T-GFN-02", {{"grid_low", Json::array({0})}});
  bad("T-GFN-02", {{"grid_high", {1, 2, 3}}});
  bad("T-GFN-02", {{"grid_periodic", Json::array({true})}});
  bad("T-GFN-02", {{"grid_periodic", {1, 0}}});
  bad("T-GFN-03", {{"hidden_dims", {4, 0}}});
  bad("T-GFN-03", {{"grid_sizes", {4, 0}}});
  bad("T-GFN-04", {{"architecture", "mixture_of_experts"}});
  bad("T-GFN-05", {{"grid_sizes", Json::array()}});
  bad("T-GFN-06", {{"grid_high", {-1, 2}}});
  bad("T-CFG-02", {{"grid_low", {nan, 0}}});
  const Json one = {{"grid_sizes", Json::array({1})},
                    {"grid_low", Json::array()},
                    {"grid_high", Json::array()},
                    {"grid_periodic", Json::array()},
                    {"boundary", "extrapolate"}};
  bad("T-GFN-07", one);
  Json many = {{"grid_sizes", {2, 2, 2, 2, 2, 2}},
               {"grid_low", Json::array()},
               {"grid_high", Json::array()},
               {"grid_periodic", Json::array()}};
  const std::string cost = bad("T-GFN-08", many);
  EXPECT_NE(cost.find("4^6 = 4096 nodes"), std::string::npos) << cost;
  many["force"] = true;
  EXPECT_NO_THROW(config_of(small(many)));
  many.update({{"force", false}, {"interpolation", "linear"}});
  EXPECT_NO_THROW(config_of(small(many)));
}

TEST(GfnnErrors, inputs_that_do_not_fit) {
  const auto model = model_of(small());
  const auto run = [&](const at::Tensor& x, const at::Tensor& g) {
    return [&model, x, g] { model->run({{"x", x}, {"g", g}}); };
  };
  EXPECT_THROW(run(draw({4, 2}), draw({4, 2}))(), InvalidArgument);
  EXPECT_THROW(run(draw({4, 3}), draw({4, 1}))(), InvalidArgument);
  EXPECT_THROW(run(draw({4, 3}), draw({5, 2}))(), InvalidArgument);
  for (const double value :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    const at::Tensor g = draw({4, 2});
    g[2][1] = value;
    EXPECT_THROW(run(draw({4, 3}), g)(), InvalidArgument) << value;
  }
  // Finite, but not as a multiple of the axis, of length 2.
  const at::Tensor far = draw({4, 2});
  far[1][1] = std::numeric_limits<double>::max();
  EXPECT_NO_THROW(run(draw({4, 3}), far)());
  const auto short_axis = model_of(small({{"grid_high", {1, 0.5}}}));
  refused("T-GRID-04", [&] { short_axis->run({{"x", draw({4, 3})}, {"g", far}}); });
  EXPECT_THROW(grid_of(small())->refine(2), InvalidArgument);
}

TEST(GfnnErrors, players_that_cannot_be) {
  const auto model = grid_of(small(), at::kFloat);
  refused("T-GFN-20", [&] { model->player(-1); });
  const ops::Grid grid{.axes = {{2, 0, 1, false}}};
  refused("T-GFN-20", [&] { GridPlayer(grid, {}, "elu", 0); });
  const GridPlayer::Layer fits{2, 1, std::vector<float>(4), std::vector<float>(2)};
  refused("T-GFN-20", [&] { GridPlayer(grid, {fits}, "sine", 0); });
  GridPlayer::Layer lacks = fits;
  lacks.bias.pop_back();
  refused("T-GFN-20", [&] { GridPlayer(grid, {lacks}, "elu", 0); });
  refused("T-GFN-20", [&] { GridPlayer(grid, {fits, fits}, "elu", 0); });
  GridPlayer player(grid, {fits}, "elu", 0);
  std::vector<float> x(2), g(1), y(1), longer(3);
  refused("T-GFN-20", [&] { player.frame(longer, g, y); });
  refused("T-GFN-20", [&] { player.frame(x, x, y); });
  refused("T-GFN-20", [&] { player.frame(x, g, longer); });
  g[0] = std::numeric_limits<float>::quiet_NaN();
  refused("T-GFN-20", [&] { player.frame(x, g, y); });
  EXPECT_EQ(player.frames(), 0);
}

}  // namespace
}  // namespace tessera::gfnn
