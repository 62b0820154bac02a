#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tessera/systems/gfnn/test_models.h"

// What makes a grid of networks one smooth network: section by section of the definition.

namespace tessera::gfnn {
namespace {

using testing::config_of;
using testing::coordinates;
using testing::distance;
using testing::draw;
using testing::grid_of;
using testing::model_of;
using testing::small;

const std::vector<std::string> kInterpolations = {"nearest", "linear", "cubic"};

/// A model of one parameterisation: that of one node.
std::shared_ptr<Model> network_of_node(const GridNetwork& grid, const std::vector<int64_t>& node) {
  const GfnnConfig& from = grid.config();
  const auto mlp = model_of({{"architecture", "mlp"},
                             {"in_dim", from.in_dim},
                             {"out_dim", from.out_dim},
                             {"hidden_dims", from.hidden_dims},
                             {"activation", from.activation}});
  TensorMap weights;
  for (const auto& [name, value] : weights_of(grid)) {
    at::Tensor own = value;
    for (const int64_t j : node) own = own[j];
    weights.set(name, own);
  }
  load_weights(*mlp, weights);
  return mlp;
}

at::Tensor y_of(Model& model, const at::Tensor& x, const at::Tensor& g) {
  return model.run({{"x", x}, {"g", g}}).at("y");
}

/// y at one sample and its gradient by g.
std::pair<at::Tensor, at::Tensor> slope_at(GridNetwork& model, std::vector<double> place) {
  const auto axes = static_cast<int64_t>(place.size());
  const at::Tensor g = torch::tensor(place, at::kDouble).view({1, axes}).requires_grad_();
  const at::Tensor y = model.forward(draw({1, model.config().in_dim}), g);
  return {y.detach(), torch::autograd::grad({y.sum()}, {g})[0]};
}

TEST(GfnnNetwork, node_weights_sum_to_one_inside_and_outside) {
  for (const std::string& interpolation : kInterpolations) {
    for (const char* boundary : {"clamp", "extrapolate"}) {
      const auto model =
          model_of(small({{"interpolation", interpolation}, {"boundary", boundary}}));
      const at::Tensor n =
          model->run({{"x", draw({200, 3})}, {"g", 3 * draw({200, 2}, 4)}}).at("node_weights");
      ASSERT_EQ(n.sizes(), (at::IntArrayRef{200, 5, 4}));
      EXPECT_LT(distance(n.sum({1, 2}), at::ones({200}, at::kDouble)), 1e-12)
          << interpolation << " " << boundary;
    }
  }
}

TEST(GfnnNetwork, equal_nodes_are_a_plain_network) {
  for (const auto& [dtype, bound] : {std::pair(at::kDouble, 1e-10), {at::kFloat, 1e-4}}) {
    for (const std::string& interpolation : kInterpolations) {
      const auto grid = grid_of(small({{"interpolation", interpolation}}));
      const auto mlp = network_of_node(*grid, {2, 1});
      TensorMap weights;
      for (const auto& [name, value] : weights_of(*grid)) {
        weights.set(name, weights_of(*mlp).at(name).expand(value.sizes()).contiguous());
      }
      load_weights(*grid, weights);
      grid->to(dtype);
      mlp->to(dtype);
      const at::Tensor x = draw({50, 3}, 1, dtype), g = 2 * draw({50, 2}, 6, dtype);
      EXPECT_LT(distance(y_of(*grid, x, g), y_of(*mlp, x, g)), bound) << interpolation;
    }
  }
}

TEST(GfnnNetwork, at_a_node_it_is_that_nodes_network) {
  const at::Tensor x = draw({7, 3});
  for (const std::string& interpolation : kInterpolations) {
    for (const char* boundary : {"clamp", "extrapolate"}) {
      const auto grid = grid_of(small({{"interpolation", interpolation}, {"boundary", boundary}}));
      for (int64_t i = 0; i < 5; ++i) {
        for (int64_t j = 0; j < 4; ++j) {
          const at::Tensor g =
              torch::tensor({-1 + 0.5 * static_cast<double>(i), 0.5 * static_cast<double>(j)},
                            at::kDouble)
                  .expand({7, 2});
          const at::Tensor own = y_of(*network_of_node(*grid, {i, j}), x, g);
          EXPECT_LT(distance(y_of(*grid, x, g), own), 1e-12)
              << interpolation << " " << boundary << " node " << i << ", " << j;
        }
      }
    }
  }
}

TEST(GfnnNetwork, a_periodic_axis_has_no_seam) {
  const auto grid = grid_of(small());
  const at::Tensor x = draw({40, 3}), g = coordinates(40, grid->grid());
  for (const double turns : {-3.0, 1.0, 5.0}) {
    const at::Tensor turned = g + torch::tensor({0.0, 2 * turns}, at::kDouble);
    EXPECT_LT(distance(y_of(*grid, x, g), y_of(*grid, x, turned)), 1e-11) << turns;
  }
  const auto [before, slope_before] = slope_at(*grid, {0.3, 2 - 1e-9});
  const auto [after, slope_after] = slope_at(*grid, {0.3, 1e-9});
  EXPECT_LT(distance(before, after), 1e-7);
  EXPECT_LT(distance(slope_before, slope_after), 1e-6);
}

TEST(GfnnNetwork, cubic_slopes_are_continuous_at_nodes_and_linear_ones_are_not) {
  for (const char* interpolation : {"linear", "cubic"}) {
    const auto grid = grid_of(small({{"interpolation", interpolation}}));
    const auto [before, slope_before] = slope_at(*grid, {0.5 - 1e-9, 1.2});
    const auto [after, slope_after] = slope_at(*grid, {0.5 + 1e-9, 1.2});
    EXPECT_LT(distance(before, after), 1e-7) << interpolation;
    const double jump = distance(slope_before, slope_after);
    if (interpolation == std::string("cubic")) {
      EXPECT_LT(jump, 1e-6);
    } else {
      EXPECT_GT(jump, 1e-3);
    }
  }
}

TEST(GfnnNetwork, beyond_the_ends_it_is_constant) {
  for (const char* boundary : {"clamp", "extrapolate"}) {
    const auto grid = grid_of(small({{"boundary", boundary}}));
    for (const double end : {-1.0, 1.0}) {
      const auto [at_end, inside_slope] = slope_at(*grid, {end, 0.7});
      const auto [beyond, slope] = slope_at(*grid, {3 * end, 0.7});
      EXPECT_LT(distance(at_end, beyond), 1e-12);
      EXPECT_EQ(slope[0][0].item<double>(), 0);
      EXPECT_NE(slope[0][1].item<double>(), 0);
      EXPECT_NE(inside_slope[0][0].item<double>(), 0) << "the inside derivative on an end";
    }
  }
}

TEST(GfnnNetwork, affine_nodes_are_reproduced) {
  const auto error = [](const char* interpolation, const char* boundary, double low, double high) {
    const ops::Grid grid{.axes = {{6, -2, 3, false}},
                         .interpolation = ops::interpolation_of(interpolation),
                         .boundary = ops::boundary_of(boundary)};
    const at::Tensor g = at::linspace(low, high, 101, at::kDouble).unsqueeze(1);
    const at::Tensor nodes = 4 - 3 * at::linspace(-2, 3, 6, at::kDouble);
    const at::Tensor n = ops::dense_weights(ops::grid_weights(g, grid), 6);
    return distance(at::mv(n, nodes), 4 - 3 * g.squeeze(1));
  };
  EXPECT_LT(error("linear", "clamp", -2, 3), 1e-12);
  EXPECT_LT(error("cubic", "extrapolate", -2, 3), 1e-12);
  EXPECT_LT(error("cubic", "clamp", -1, 2), 1e-12);
  EXPECT_GT(error("cubic", "clamp", -2, 3), 1e-2) << "cells at the ends are bent by clamping";
}

TEST(GfnnNetwork, refining_a_linear_grid_changes_nothing) {
  for (const int64_t axis : {0, 1}) {
    const auto coarse = grid_of(small({{"interpolation", "linear"}}));
    const auto fine = coarse->refine(axis);
    const std::vector<int64_t> sizes = fine->grid().sizes();
    EXPECT_EQ(sizes, (axis == 0 ? std::vector<int64_t>{9, 4} : std::vector<int64_t>{5, 8}));
    const at::Tensor x = draw({60, 3}), g = coordinates(60, coarse->grid());
    EXPECT_LT(distance(y_of(*coarse, x, g), y_of(*fine, x, g)), 1e-12);
  }
  const auto coarse = grid_of(small());
  const auto fine = coarse->refine(1);
  const at::Tensor x = draw({60, 3}), g = coordinates(60, coarse->grid());
  const double moved = distance(y_of(*coarse, x, g), y_of(*fine, x, g));
  EXPECT_GT(moved, 1e-9) << "a cubic grid is refined only nearly";
  EXPECT_LT(moved, 0.5 * y_of(*coarse, x, g).abs().max().item<double>());
}

TEST(GfnnNetwork, an_axis_of_one_node_can_be_left_out) {
  const auto flat = grid_of(small(
      {{"grid_sizes", {5}}, {"grid_low", {-1}}, {"grid_high", {1}}, {"grid_periodic", {false}}}));
  const auto deep = grid_of(small({{"grid_sizes", {5, 1}}}));
  TensorMap weights;
  for (const auto& [name, value] : weights_of(*flat)) weights.set(name, value.unsqueeze(1));
  load_weights(*deep, weights);
  const at::Tensor x = draw({30, 3}), g = 2 * draw({30, 2}, 3);
  EXPECT_LT(distance(y_of(*deep, x, g), y_of(*flat, x, g.narrow(1, 0, 1))), 1e-12);
}

TEST(GfnnNetwork, swapping_axes_is_a_transposition) {
  const auto grid = grid_of(small());
  const auto swapped = grid_of(small({{"grid_sizes", {4, 5}},
                                      {"grid_low", {0, -1}},
                                      {"grid_high", {2, 1}},
                                      {"grid_periodic", {true, false}}}));
  TensorMap weights;
  for (const auto& [name, value] : weights_of(*grid)) {
    weights.set(name, value.transpose(0, 1).contiguous());
  }
  load_weights(*swapped, weights);
  const at::Tensor x = draw({30, 3}), g = draw({30, 2}, 3);
  EXPECT_LT(distance(y_of(*grid, x, g), y_of(*swapped, x, g.flip({1}))), 1e-12);
}

TEST(GfnnNetwork, a_batch_is_its_samples) {
  for (const auto& [dtype, bound] : {std::pair(at::kDouble, 1e-12), {at::kFloat, 1e-5}}) {
    const auto grid = grid_of(small(), dtype);
    const at::Tensor x = draw({37, 3}, 1, dtype), g = draw({37, 2}, 3, dtype);
    const at::Tensor together = y_of(*grid, x, g);
    for (int64_t b = 0; b < 37; ++b) {
      EXPECT_LT(distance(together[b], y_of(*grid, x.narrow(0, b, 1), g.narrow(0, b, 1))[0]), bound);
    }
  }
}

TEST(GfnnNetwork, a_given_dropout_mask_holds_at_rate_0_too) {
  const auto model = model_of(small({{"dropout", 0.0}}));
  const at::Tensor x = draw({5, 3}), g = draw({5, 2}, 4), none = at::zeros_like(x);
  const TensorMap inputs{{"x", x}, {"g", g}, {"dropout_mask_0", none}};
  EXPECT_LT(distance(model->run(inputs).at("y"), y_of(*model, none, g)), 1e-15);
}

TEST(GfnnNetwork, a_phase_functioned_network_is_a_grid_of_four) {
  const Json dims = {{"in_dim", 3}, {"out_dim", 2}, {"hidden_dims", {4}}};
  Json pfnn = dims, grid = dims;
  pfnn.update({{"architecture", "pfnn"}});
  grid.update({{"grid_sizes", Json::array({4})},
               {"grid_high", Json::array({2 * M_PI})},
               {"grid_low", Json::array({0})},
               {"grid_periodic", Json::array({true})}});
  const at::Tensor x = draw({20, 3}), g = 4 * draw({20, 1}, 3);
  EXPECT_TRUE(at::equal(y_of(*model_of(pfnn), x, g), y_of(*model_of(grid), x, g)));
}

TEST(GfnnNetwork, gradients_reach_exactly_the_nodes_that_are_blended) {
  for (const std::string& interpolation : kInterpolations) {
    const auto grid = grid_of(small({{"interpolation", interpolation}, {"activation", "tanh"}}));
    const TensorMap out = grid->run({{"x", draw({2, 3})}, {"g", coordinates(2, grid->grid(), 9)}});
    out.at("y").square().sum().backward();
    const at::Tensor used = (out.at("node_weights") != 0).any(0);
    for (const auto& item : grid->named_parameters()) {
      const at::Tensor reached = (item.value().grad() != 0).flatten(2).any(2);
      EXPECT_TRUE(at::equal(reached, used)) << item.key() << " with " << interpolation;
    }
  }
}

TEST(GfnnNetwork, a_shared_draw_is_a_plain_network_at_first) {
  seed_default_generators(1);
  const auto model = make_model(config_of(small({{"init", "shared"}, {"in_dim", 64}})));
  const at::Tensor x = draw({1, 64}, 1, at::kFloat).expand({30, 64}).contiguous();
  const at::Tensor y = y_of(*model, x, draw({30, 2}, 3, at::kFloat));
  EXPECT_LT(distance(y, y[0].expand_as(y)), 1e-5);
  const double bound = std::sqrt(6.0 / 70);
  EXPECT_NEAR(weights_of(*model).at("layers.0.weight").abs().max().item<double>(), bound,
              0.02 * bound);
  EXPECT_EQ(weights_of(*model).at("layers.2.bias").abs().max().item<double>(), 0);
}

TEST(GfnnNetwork, independent_draws_differ_between_nodes) {
  seed_default_generators(1);
  const TensorMap weights = weights_of(*make_model(config_of(small())));
  const at::Tensor& w = weights.at("layers.0.weight");
  ASSERT_EQ(w.sizes(), (at::IntArrayRef{5, 4, 6, 3}));
  EXPECT_GT(distance(w[0][0], w[3][2]), 0.1);
  EXPECT_LE(w.abs().max().item<double>(), std::sqrt(6.0 / 9) + 1e-6);
}

TEST(GfnnMixture, one_expert_is_a_plain_network) {
  for (const char* blend : {"parameters", "outputs"}) {
    const auto mixture = model_of({{"architecture", "mixture_of_experts"},
                                   {"in_dim", 3},
                                   {"out_dim", 2},
                                   {"hidden_dims", {5}},
                                   {"gate_in_dim", 2},
                                   {"gate_dims", {4}},
                                   {"num_experts", 1},
                                   {"blend", blend}});
    const auto mlp =
        model_of({{"architecture", "mlp"}, {"in_dim", 3}, {"out_dim", 2}, {"hidden_dims", {5}}});
    TensorMap weights;
    for (const auto& [name, value] : weights_of(*mixture)) {
      if (name.starts_with("layers")) weights.set(name, value[0]);
    }
    load_weights(*mlp, weights);
    const at::Tensor x = draw({9, 3}), g = draw({9, 2}, 3);
    EXPECT_LT(distance(y_of(*mixture, x, g), y_of(*mlp, x, g)), 1e-12) << blend;
  }
}

TEST(GfnnMixture, blending_parameters_and_outputs_differ_behind_an_activation) {
  const auto y = [](const char* blend, std::vector<int64_t> hidden) {
    const auto mixture = model_of({{"architecture", "mixture_of_experts"},
                                   {"in_dim", 3},
                                   {"out_dim", 2},
                                   {"hidden_dims", hidden},
                                   {"gate_in_dim", 2},
                                   {"num_experts", 3},
                                   {"blend", blend}});
    return y_of(*mixture, draw({9, 3}), draw({9, 2}, 3));
  };
  EXPECT_LT(distance(y("parameters", {}), y("outputs", {})), 1e-12);
  EXPECT_GT(distance(y("parameters", {5}), y("outputs", {5})), 1e-3);
}

TEST(GfnnCoverage, counts_samples_of_nodes_and_beyond_the_ends) {
  const ops::Grid grid{.axes = {{5, 0, 4, false}, {2, 0, 1, true}},
                       .interpolation = ops::Interpolation::kLinear};
  const at::Tensor g =
      torch::tensor({0.5, 0.25, 1.5, 0.25, -7.0, 0.0, 9.0, 30.0}, at::kDouble).view({4, 2});
  const nn::GridCoverage seen = nn::coverage(g, grid);
  const at::Tensor expected = torch::tensor({2, 1, 2, 2, 1, 1, 0, 0, 1, 0}, at::kLong).view({5, 2});
  EXPECT_TRUE(at::equal(seen.samples, expected)) << seen.samples;
  EXPECT_EQ(seen.unused, 3);
  EXPECT_TRUE(at::equal(seen.outside, torch::tensor({2, 0}, at::kLong))) << seen.outside;
}

}  // namespace
}  // namespace tessera::gfnn
