#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tessera/ops/grid_weights.h"

namespace tessera::gfnn {

/// A grid-functioned network as a game or a controller runs it: one sample a call, float32, no
/// tensors, and no allocation after construction. The blended network is kept while the coordinate
/// stays in reach; one at another place costs a pass over the parameters of its nodes.
/// Not for two threads at once: give each its own (they share nothing).
class GridPlayer {
 public:
  /// One layer's parameters, row-major: weight (K, out, in), bias (K, out).
  struct Layer {
    int64_t in = 0, out = 0;
    std::vector<float> weight, bias;
  };

  /// reach: how far each coordinate may move, in node spacings, before the network is blended
  /// again; 0: only for the same coordinate, so that the result is the model's own. activation: as
  /// in GfnnConfig. Throws InvalidArgument on layers that do not fit each other or the grid, on an
  /// unknown activation or a negative reach.
  GridPlayer(ops::Grid grid, std::vector<Layer> layers, const std::string& activation,
             double reach);

  /// y = network blended at (or near) g, applied to x. Sizes in_dim(), axes and out_dim(). Throws
  /// InvalidArgument on other sizes or a coordinate that is not finite.
  void frame(std::span<const float> x, std::span<const float> g, std::span<float> y);

  int64_t in_dim() const { return layers_.front().in; }
  int64_t out_dim() const { return layers_.back().out; }
  int64_t axes() const { return static_cast<int64_t>(grid_.axes.size()); }
  /// Frames so far, and those that had to blend.
  int64_t frames() const { return frames_; }
  int64_t blends() const { return blends_; }
  /// Frames with a coordinate beyond the ends of the grid, which was clamped.
  int64_t clamped() const { return clamped_; }

 private:
  enum class Activation { kRelu, kElu, kTanh, kSilu, kIdentity };

  bool is_in_reach(std::span<const float> g) const;
  void blend_at(std::span<const float> g);
  void activate(std::span<float> values) const;

  ops::Grid grid_;
  std::vector<Layer> layers_;
  Activation activation_;
  double reach_;

  std::vector<float> here_;     ///< where the network below was blended; empty: nowhere yet
  std::vector<Layer> blended_;  ///< one parameterisation
  std::vector<int64_t> index_;  ///< the nodes and their weights there
  std::vector<float> node_weight_;
  std::vector<float> now_, next_;  ///< activations
  bool has_blend_ = false;
  int64_t frames_ = 0, blends_ = 0, clamped_ = 0;
};

}  // namespace tessera::gfnn
