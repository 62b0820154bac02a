#include "tessera/systems/gfnn/procedures.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "tessera/ops/grid_weights.h"
#include "tessera/systems/gfnn/generators.h"

namespace tessera::gfnn {
namespace {

/// Dense weights of one axis for each interpolation, boundary and size: cubic_clamp_5.
TensorMap axis_weights(const Json& config, const TensorMap& inputs) {
  const at::Tensor g = inputs.at("u").unsqueeze(1);
  const auto sizes = config.value("sizes", std::vector<int64_t>{5});
  TensorMap outputs;
  const auto add = [&](ops::Interpolation interpolation, ops::Boundary boundary, bool periodic) {
    for (const int64_t size : sizes) {
      ops::Grid grid{.interpolation = interpolation, .boundary = boundary};
      grid.axes = {{size, config.value("low", 0.0), config.value("high", 1.0), periodic}};
      outputs.set(fmt::format("{}_{}_{}", name_of(interpolation),
                              periodic ? "periodic" : name_of(boundary), size),
                  ops::dense_weights(ops::grid_weights(g, grid), size));
    }
  };
  for (const auto interpolation :
       {ops::Interpolation::kNearest, ops::Interpolation::kLinear, ops::Interpolation::kCubic}) {
    add(interpolation, ops::Boundary::kClamp, false);
    add(interpolation, ops::Boundary::kClamp, true);
  }
  add(ops::Interpolation::kCubic, ops::Boundary::kExtrapolate, false);
  return outputs;
}

TensorMap run_gait(const Json& config, const TensorMap& inputs) {
  const Gait made = gait(inputs.at("phase"), inputs.at("speed"), inputs.at("turn"),
                         config.value("num_joints", int64_t{8}));
  return {{"joints", made.joints}, {"root", made.root}};
}

TensorMap surfaces(const Json& config, const TensorMap& inputs) {
  std::vector<at::Tensor> columns;
  for (const std::string& name : config.value("surfaces", surface_names())) {
    columns.push_back(surface(name, inputs.at("u"), inputs.at("v")));
  }
  return {{"f", at::stack(columns, -1)}};
}

}  // namespace

std::vector<Procedure> procedures() {
  return {{"axis_weights", "interpolation weights of one axis, of every kind", axis_weights},
          {"gait", "joint angles and root motion of a generated walk", run_gait},
          {"surfaces", "target surfaces of the regression experiments", surfaces}};
}

}  // namespace tessera::gfnn
