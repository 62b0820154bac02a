#include "tessera/ops/grid_weights.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/library.h>

#include <array>
#include <cmath>
#include <tuple>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/dispatch.h"
#include "tessera/ops/grid_place.h"

namespace tessera::ops {
namespace {

constexpr std::array<const char*, 3> kInterpolations = {"nearest", "linear", "cubic"};
constexpr std::array<const char*, 2> kBoundaries = {"clamp", "extrapolate"};

template <class Enum, size_t kCount>
Enum enum_of(std::string_view name, const std::array<const char*, kCount>& names,
             std::string_view where) {
  for (size_t i = 0; i < kCount; ++i) {
    if (name == names[i]) return static_cast<Enum>(i);
  }
  const std::vector<std::string> all(names.begin(), names.end());
  fail<InvalidArgument>({.where = where,
                         .rule = "must be one of " + join(all, ", "),
                         .got = "\"" + std::string(name) + "\"",
                         .next = did_you_mean(name, all),
                         .id = "T-GRID-01"});
}

}  // namespace

Interpolation interpolation_of(std::string_view name) {
  return enum_of<Interpolation>(name, kInterpolations, "interpolation");
}
const char* name_of(Interpolation interpolation) {
  return kInterpolations[static_cast<size_t>(interpolation)];
}
Boundary boundary_of(std::string_view name) {
  return enum_of<Boundary>(name, kBoundaries, "boundary");
}
const char* name_of(Boundary boundary) { return kBoundaries[static_cast<size_t>(boundary)]; }

double GridAxis::spacing() const {
  const int64_t cells = is_periodic ? size : std::max<int64_t>(size - 1, 1);
  return (high - low) / static_cast<double>(cells);
}

int64_t Grid::nodes() const {
  int64_t count = 1;
  for (const GridAxis& axis : axes) count *= axis.size;
  return count;
}

int64_t Grid::neighbours(const GridAxis& axis) const {
  if (axis.size == 1 || interpolation == Interpolation::kNearest) return 1;
  return interpolation == Interpolation::kLinear ? 2 : 4;
}

int64_t Grid::active_nodes() const {
  int64_t count = 1;
  for (const GridAxis& axis : axes) count *= neighbours(axis);
  return count;
}

std::vector<int64_t> Grid::sizes() const {
  std::vector<int64_t> sizes;
  for (const GridAxis& axis : axes) sizes.push_back(axis.size);
  return sizes;
}

// ---- Registered function ------------------------------------------------------------------------

namespace {

using Pair = std::tuple<at::Tensor, at::Tensor>;
using Signature = Pair(const at::Tensor&, at::IntArrayRef, at::ArrayRef<double>,
                       at::ArrayRef<double>, at::IntArrayRef, std::string_view, std::string_view);

Grid grid_of(at::IntArrayRef sizes, at::ArrayRef<double> low, at::ArrayRef<double> high,
             at::IntArrayRef periodic, std::string_view interpolation, std::string_view boundary) {
  if (sizes.empty() || low.size() != sizes.size() || high.size() != sizes.size() ||
      periodic.size() != sizes.size()) {
    fail<InvalidArgument>({.where = "grid_weights",
                           .rule = "sizes, low, high and periodic need one value for each axis",
                           .got = fmt::format("{}, {}, {} and {}", sizes.size(), low.size(),
                                              high.size(), periodic.size()),
                           .id = "T-GRID-02"});
  }
  Grid grid{.interpolation = interpolation_of(interpolation), .boundary = boundary_of(boundary)};
  for (size_t k = 0; k < sizes.size(); ++k) {
    const bool holds =
        sizes[k] >= 1 && std::isfinite(low[k]) && std::isfinite(high[k]) && high[k] > low[k];
    if (!holds) {
      fail<InvalidArgument>({.where = "grid_weights",
                             .rule = "an axis needs a size of at least 1 and high above low",
                             .got = fmt::format("{} in [{}, {}]", sizes[k], low[k], high[k]),
                             .id = "T-GRID-02"});
    }
    grid.axes.push_back({sizes[k], low[k], high[k], periodic[k] != 0});
  }
  return grid;
}

void check(const at::Tensor& g, const Grid& grid) {
  const auto axes = static_cast<int64_t>(grid.axes.size());
  if (g.defined() && g.dim() == 2 && g.size(1) == axes && g.is_floating_point()) return;
  fail<InvalidArgument>(
      {.where = "grid_weights",
       .rule = fmt::format("g must be floating (B, {}), one column an axis", axes),
       .got = describe(g),
       .id = "T-GRID-03"});
}

[[noreturn]] void fail_finite() {
  fail<InvalidArgument>({.where = "grid_weights",
                         .rule = "coordinates must be finite, also as shares of their axes",
                         .got = "NaN or infinity",
                         .next = "Look for it in what g is computed from.",
                         .id = "T-GRID-04"});
}

template <class T>
NodeWeights run_cpu(const at::Tensor& given, const Grid& grid) {
  const at::Tensor g = given.contiguous();
  const int64_t rows = g.size(0), active = grid.active_nodes();
  const auto axes = static_cast<int64_t>(grid.axes.size());
  NodeWeights n{at::empty({rows, active}, g.options().dtype(at::kLong)),
                at::empty({rows, active}, g.options())};
  const T* coordinates = g.const_data_ptr<T>();
  for (int64_t i = 0; i < rows * axes; ++i) {
    const GridAxis& axis = grid.axes[static_cast<size_t>(i % axes)];
    if (!std::isfinite(axis.share(static_cast<double>(coordinates[i])))) fail_finite();
  }
  int64_t* index = n.index.mutable_data_ptr<int64_t>();
  T* weight = n.weight.mutable_data_ptr<T>();
  for (int64_t row = 0; row < rows; ++row) {
    place_on_grid(grid, coordinates + row * axes, index + row * active, weight + row * active);
  }
  return n;
}

NodeWeights checked_plain(const at::Tensor& g, const Grid& grid) {
  for (size_t k = 0; k < grid.axes.size(); ++k) {
    const GridAxis& axis = grid.axes[k];
    const at::Tensor own = g.select(1, static_cast<int64_t>(k)).to(at::kDouble);
    const at::Tensor share = (own - axis.low) / (axis.high - axis.low);
    if (!at::isfinite(share).all().item<bool>()) fail_finite();
  }
  return grid_weights_plain(g, grid);
}

NodeWeights run(const at::Tensor& g, const Grid& grid) {
  check(g, grid);
  if (!g.is_cpu() || !has_fused_dtype(g)) return checked_plain(g, grid);
  return g.scalar_type() == at::kDouble ? run_cpu<double>(g, grid) : run_cpu<float>(g, grid);
}

template <auto body>
Pair gather(const at::Tensor& g, at::IntArrayRef sizes, at::ArrayRef<double> low,
            at::ArrayRef<double> high, at::IntArrayRef periodic, std::string_view interpolation,
            std::string_view boundary) {
  const NodeWeights n = body(g, grid_of(sizes, low, high, periodic, interpolation, boundary));
  return {n.index, n.weight};
}

NodeWeights run_meta(const at::Tensor& g, const Grid& grid) {
  const auto rows = g.sym_size(0);
  return {g.new_empty_symint({rows, grid.active_nodes()}, at::kLong),
          g.new_empty_symint({rows, grid.active_nodes()})};
}

NodeWeights call_op(const at::Tensor& g, const Grid& grid) {
  static const auto op = operator_handle<Signature>("tessera::grid_weights");
  const std::vector<int64_t> sizes = grid.sizes();
  std::vector<double> low, high;
  std::vector<int64_t> periodic;
  for (const GridAxis& axis : grid.axes) {
    low.push_back(axis.low);
    high.push_back(axis.high);
    periodic.push_back(axis.is_periodic);
  }
  const auto [index, weight] =
      op.call(g, sizes, low, high, periodic, name_of(grid.interpolation), name_of(grid.boundary));
  return {index, weight};
}

NodeWeights below_autograd(const at::Tensor& g, const Grid& grid) {
  at::AutoDispatchBelowADInplaceOrView below;
  return call_op(g, grid);
}

// Coordinates are few numbers and seldom differentiated: then the plain twin is fast enough. The
// operator, which alone may look at values, checks them and gives the index.
NodeWeights run_autograd(const at::Tensor& g, const Grid& grid) {
  if (!g.requires_grad() || !at::GradMode::is_enabled()) return below_autograd(g, grid);
  return {below_autograd(g.detach(), grid).index, grid_weights_plain(g, grid).weight};
}

}  // namespace

NodeWeights grid_weights(const at::Tensor& g_BD, const Grid& grid) { return call_op(g_BD, grid); }

TORCH_LIBRARY_IMPL(tessera, CPU, m) { m.impl("grid_weights", TORCH_FN((gather<run>))); }
TORCH_LIBRARY_IMPL(tessera, CUDA, m) { m.impl("grid_weights", TORCH_FN((gather<run>))); }
TORCH_LIBRARY_IMPL(tessera, Meta, m) { m.impl("grid_weights", TORCH_FN((gather<run_meta>))); }
TORCH_LIBRARY_IMPL(tessera, Autograd, m) {
  m.impl("grid_weights", TORCH_FN((gather<run_autograd>)));
}

}  // namespace tessera::ops
