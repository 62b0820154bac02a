#pragma once

#include <memory>
#include <vector>

#include "tessera/nn/grid_linear.h"
#include "tessera/systems/gfnn/config.h"
#include "tessera/systems/gfnn/grid_player.h"
#include "tessera/systems/model.h"

namespace tessera::gfnn {

/// The grid-functioned network: every layer's parameters are blended with the same node weights
/// n(g), so that between nodes lies a network of its own.
class GridNetwork final : public Model {
 public:
  explicit GridNetwork(const GfnnConfig& config);

  TensorMap run(const TensorMap& inputs) override;
  /// x: (B, in_dim), g: (B, D).   returns (B, out_dim)
  at::Tensor forward(const at::Tensor& x, const at::Tensor& g);

  /// The same function on a grid with a node in the middle of each cell of `axis`: exactly for
  /// linear interpolation, nearly for cubic (its neighbours move closer).
  std::shared_ptr<GridNetwork> refine(int64_t axis) const;

  /// The network for one sample at a time, with a copy of the present weights.
  GridPlayer player(double reach) const;

  const GfnnConfig& config() const { return config_; }
  const ops::Grid& grid() const { return grid_; }

 private:
  at::Tensor apply(const at::Tensor& x, const ops::NodeWeights& n, const TensorMap& inputs);
  at::Tensor play(const at::Tensor& x, const at::Tensor& g);
  bool can_play(const at::Tensor& x, const at::Tensor& g) const;
  int64_t weights_version() const;

  GfnnConfig config_;
  ops::Grid grid_;
  std::vector<std::shared_ptr<nn::GridLinear>> layers_;
  std::unique_ptr<GridPlayer> player_;  ///< where cache_reach is set; of weights player_version_
  int64_t player_version_ = -1;
};

}  // namespace tessera::gfnn
