#include "tessera/systems/gfnn/config.h"

#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "tessera/core/error.h"
#include "tessera/core/text.h"

namespace tessera::gfnn {
namespace {

const std::vector<std::string> kActivations = {"relu", "elu", "tanh", "silu", "identity"};
// 4⁵: what a sample of a cubic grid of five axes blends.
constexpr int64_t kMostActiveNodes = 1024;

[[noreturn]] void refuse(const std::string& rule, const std::string& got, const char* id,
                         const std::string& next = {}) {
  fail<InvalidArgument>({.where = "gfnn", .rule = rule, .got = got, .next = next, .id = id});
}

void expect_length(const char* name, size_t length, size_t axes) {
  if (length == 0 || length == axes) return;
  refuse(fmt::format("{} needs one value for each of the {} axes of grid_sizes", name, axes),
         std::to_string(length), "T-GFN-02");
}

void expect_positive(const char* name, const std::vector<int64_t>& values) {
  for (const int64_t value : values) {
    if (value >= 1) continue;
    refuse(fmt::format("each of {} must be at least 1", name), std::to_string(value), "T-GFN-03");
  }
}

}  // namespace

void GfnnConfig::fields(FieldList& list) {
  list("architecture", architecture,
       {.help = "grid-functioned, or a network to compare with; pfnn is one periodic axis of 4",
        .one_of = {"gfnn", "mlp", "mixture_of_experts", "pfnn"}});
  list("in_dim", in_dim, {.help = "width of x", .min = 1});
  list("out_dim", out_dim, {.help = "width of y", .min = 1});
  list("hidden_dims", hidden_dims, {.help = "widths of the hidden layers; [] is one linear map"});
  list("activation", activation,
       {.help = "after every layer but the last", .one_of = kActivations});
  list("grid_sizes", grid_sizes, {.help = "nodes of each axis of the grid"});
  list("grid_low", grid_low, {.help = "lower end of each axis; [] is 0"});
  list("grid_high", grid_high, {.help = "upper end of each axis; [] is 1"});
  list("grid_periodic", grid_periodic,
       {.help = "whether each axis closes into a circle; [] is no"});
  list("interpolation", interpolation,
       {.help = "which neighbours are blended on an axis: 1, 2 or 4",
        .one_of = {"nearest", "linear", "cubic"}});
  list("boundary", boundary,
       {.help = "what a cubic axis has beyond its ends: the edge node, or the line on",
        .one_of = {"clamp", "extrapolate"}});
  list("force", force, {.help = "allow grids that blend more than 1024 nodes for a sample"});
  list("dropout", dropout,
       {.help = "share of each layer's inputs that is dropped (below 1)", .min = 0, .max = 1});
  list("init", init,
       {.help = "a draw for each node, or one for all: a plain network at first",
        .one_of = {"independent", "shared"}});
  list("num_experts", num_experts, {.help = "mixture_of_experts: networks", .min = 1});
  list("gate_in_dim", gate_in_dim, {.help = "mixture_of_experts: width of g", .min = 0});
  list("gate_dims", gate_dims, {.help = "mixture_of_experts: hidden widths of the gate"});
  list("gate_activation", gate_activation,
       {.help = "mixture_of_experts: between the gate's layers", .one_of = kActivations});
  list("blend", blend,
       {.help = "mixture_of_experts: what the gate blends, parameters or what experts say",
        .one_of = {"parameters", "outputs"}});
  list("return_node_weights", return_node_weights,
       {.help = "also return node_weights, (B, G1, …, GD)"});
  list("cache_reach", cache_reach,
       {.help = "one sample without gradients: keep the blended network while every coordinate "
                "stays this near to where it was blended; none: blend each time",
        .unit = "node spacings",
        .min = 0});
}

void GfnnConfig::choose_defaults(const Json& given) {
  const auto it = given.find("architecture");
  if (it == given.end() || *it != "pfnn") return;
  grid_sizes = {4};
  grid_low = {0};
  grid_high = {2 * std::numbers::pi};
  grid_periodic = Json::array({true});
  interpolation = "cubic";
}

void GfnnConfig::validate() const {
  if (dropout >= 1) refuse("dropout must be below 1", shortest(dropout), "T-GFN-01");
  expect_positive("hidden_dims", hidden_dims);
  expect_positive("gate_dims", gate_dims);
  if (architecture == "mixture_of_experts" && gate_in_dim < 1) {
    refuse("a mixture of experts needs gate_in_dim, at least 1", std::to_string(gate_in_dim),
           "T-GFN-04");
  }
  if (!has_grid()) return;
  if (grid_sizes.empty()) {
    refuse("grid_sizes needs at least one axis", "[]", "T-GFN-05",
           "Give the nodes of each grid coordinate, such as grid_sizes = [4, 5].");
  }
  expect_positive("grid_sizes", grid_sizes);
  if (!grid_periodic.is_array()) {
    refuse("grid_periodic is a list of true and false", grid_periodic.dump(), "T-GFN-02");
  }
  for (const Json& item : grid_periodic) {
    if (item.is_boolean()) continue;
    refuse("grid_periodic is a list of true and false", grid_periodic.dump(), "T-GFN-02");
  }
  expect_length("grid_low", grid_low.size(), grid_sizes.size());
  expect_length("grid_high", grid_high.size(), grid_sizes.size());
  expect_length("grid_periodic", grid_periodic.size(), grid_sizes.size());
  const ops::Grid it = grid();
  bool has_ends = false, can_extrapolate = false;
  for (const ops::GridAxis& axis : it.axes) {
    has_ends |= !axis.is_periodic;
    can_extrapolate |= !axis.is_periodic && axis.size >= 2;
    if (std::isfinite(axis.low) && std::isfinite(axis.high) && axis.high > axis.low) continue;
    refuse("grid_high must be above grid_low, both finite",
           fmt::format("[{}, {}]", shortest(axis.low), shortest(axis.high)), "T-GFN-06");
  }
  if (boundary == "extrapolate" && has_ends && !can_extrapolate) {
    refuse("boundary = \"extrapolate\" needs an axis of at least 2 nodes", "only axes of 1",
           "T-GFN-07", "Set boundary = \"clamp\".");
  }
  const double active = std::pow(interpolation == "cubic" ? 4.0 : 1.0, grid_sizes.size());
  if (active > kMostActiveNodes && !force) {
    refuse(fmt::format("a cubic grid of {} axes blends 4^{} = {:.0f} nodes for each sample",
                       grid_sizes.size(), grid_sizes.size(), active),
           {}, "T-GFN-08", "Set interpolation = \"linear\", or force = true to pay for it.");
  }
}

ops::Grid GfnnConfig::grid() const {
  ops::Grid grid{.interpolation = ops::interpolation_of(interpolation),
                 .boundary = ops::boundary_of(boundary)};
  for (size_t k = 0; k < grid_sizes.size(); ++k) {
    grid.axes.push_back({.size = grid_sizes[k],
                         .low = grid_low.empty() ? 0.0 : grid_low[k],
                         .high = grid_high.empty() ? 1.0 : grid_high[k],
                         .is_periodic = !grid_periodic.empty() && grid_periodic[k].get<bool>()});
  }
  return grid;
}

std::vector<int64_t> GfnnConfig::dims() const {
  std::vector<int64_t> dims = {in_dim};
  dims.insert(dims.end(), hidden_dims.begin(), hidden_dims.end());
  dims.push_back(out_dim);
  return dims;
}

}  // namespace tessera::gfnn
