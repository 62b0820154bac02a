#include "tessera/systems/gfnn/grid_player.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tessera/core/error.h"
#include "tessera/ops/cpu/grid_linear_kernel.h"
#include "tessera/ops/grid_place.h"

namespace tessera::gfnn {
namespace {

[[noreturn]] void refuse(const std::string& rule, const std::string& got) {
  fail<InvalidArgument>({.where = "grid_player", .rule = rule, .got = got, .id = "T-GFN-20"});
}

/// Whether a coordinate lies beyond the ends of a grid, outside of what its nodes were made for.
bool is_outside(const ops::Grid& grid, std::span<const float> g) {
  for (size_t k = 0; k < grid.axes.size(); ++k) {
    const ops::GridAxis& axis = grid.axes[k];
    if (!axis.is_periodic && (g[k] < axis.low || g[k] > axis.high)) return true;
  }
  return false;
}

}  // namespace

GridPlayer::GridPlayer(ops::Grid grid, std::vector<Layer> layers, const std::string& activation,
                       double reach)
    : grid_(std::move(grid)), layers_(std::move(layers)), reach_(reach) {
  if (!(reach >= 0)) refuse("reach must be at least 0", std::to_string(reach));
  constexpr const char* kNames[] = {"relu", "elu", "tanh", "silu", "identity"};
  const auto* name = std::find(std::begin(kNames), std::end(kNames), activation);
  if (name == std::end(kNames)) {
    refuse("activation must be relu, elu, tanh, silu or identity", "\"" + activation + "\"");
  }
  activation_ = static_cast<Activation>(name - std::begin(kNames));
  if (layers_.empty() || grid_.axes.empty()) refuse("a grid and a layer are needed", "none");
  const auto nodes = static_cast<size_t>(grid_.nodes());
  int64_t width = layers_.front().in, widest = width;
  for (const Layer& layer : layers_) {
    const auto out = static_cast<size_t>(layer.out), in = static_cast<size_t>(layer.in);
    if (layer.in != width || layer.weight.size() != nodes * out * in ||
        layer.bias.size() != nodes * out) {
      refuse(fmt::format("a layer of {} nodes and {} inputs must be ({}, out, {}) with its bias",
                         nodes, width, nodes, width),
             fmt::format("{} weights, {} biases", layer.weight.size(), layer.bias.size()));
    }
    width = layer.out;
    widest = std::max(widest, width);
    blended_.push_back(
        {layer.in, layer.out, std::vector<float>(out * in), std::vector<float>(out)});
  }
  here_.resize(grid_.axes.size());
  index_.resize(static_cast<size_t>(grid_.active_nodes()));
  node_weight_.resize(index_.size());
  now_.resize(static_cast<size_t>(widest));
  next_.resize(static_cast<size_t>(widest));
  ops::grid_linear_kernels<float>();  // chosen now: not in the first frame
}

bool GridPlayer::is_in_reach(std::span<const float> g) const {
  if (!has_blend_) return false;
  for (size_t k = 0; k < here_.size(); ++k) {
    const ops::GridAxis& axis = grid_.axes[k];
    const double domain = axis.high - axis.low;
    double moved = std::abs(static_cast<double>(g[k]) - here_[k]);
    if (axis.is_periodic) {
      moved = std::fmod(moved, domain);
      moved = std::min(moved, domain - moved);
    }
    if (moved > reach_ * axis.spacing()) return false;
  }
  return true;
}

void GridPlayer::blend_at(std::span<const float> g) {
  ops::place_on_grid(grid_, g.data(), index_.data(), node_weight_.data());
  const auto active = static_cast<int64_t>(index_.size());
  const auto& kernels = ops::grid_linear_kernels<float>();
  for (size_t l = 0; l < layers_.size(); ++l) {
    const Layer& from = layers_[l];
    Layer& to = blended_[l];
    const int64_t size = from.out * from.in;
    kernels.blend(active, index_.data(), node_weight_.data(), from.weight.data(), size, size,
                  to.weight.data());
    kernels.blend(active, index_.data(), node_weight_.data(), from.bias.data(), from.out, from.out,
                  to.bias.data());
  }
  std::copy(g.begin(), g.end(), here_.begin());
  has_blend_ = true;
  ++blends_;
}

void GridPlayer::activate(std::span<float> values) const {
  switch (activation_) {
    case Activation::kRelu:
      for (float& value : values) value = std::max(value, 0.0f);
      return;
    case Activation::kElu:
      return ops::grid_linear_kernels<float>().elu(static_cast<int64_t>(values.size()),
                                                   values.data());
    case Activation::kTanh:
      for (float& value : values) value = std::tanh(value);
      return;
    case Activation::kSilu:
      for (float& value : values) value = value / (1 + std::exp(-value));
      return;
    case Activation::kIdentity:
      return;
  }
}

void GridPlayer::frame(std::span<const float> x, std::span<const float> g, std::span<float> y) {
  if (x.size() != static_cast<size_t>(in_dim()) || g.size() != here_.size() ||
      y.size() != static_cast<size_t>(out_dim())) {
    refuse(fmt::format("x, g and y must hold {}, {} and {} numbers", in_dim(), here_.size(),
                       out_dim()),
           fmt::format("{}, {} and {}", x.size(), g.size(), y.size()));
  }
  for (size_t k = 0; k < g.size(); ++k) {
    if (!std::isfinite(grid_.axes[k].share(static_cast<double>(g[k])))) {
      refuse("coordinates must be finite, also as shares of their axes", "NaN or infinity");
    }
  }
  ++frames_;
  clamped_ += is_outside(grid_, g);
  if (!is_in_reach(g)) blend_at(g);
  const float* from = x.data();
  for (size_t l = 0; l < blended_.size(); ++l) {
    const Layer& layer = blended_[l];
    const bool is_last = l + 1 == blended_.size();
    float* const to = is_last ? y.data() : next_.data();
    ops::grid_linear_kernels<float>().affine(layer.in, layer.out, layer.weight.data(),
                                             layer.bias.data(), from, to);
    if (is_last) return;
    activate({to, static_cast<size_t>(layer.out)});
    now_.swap(next_);
    from = now_.data();
  }
}

}  // namespace tessera::gfnn
