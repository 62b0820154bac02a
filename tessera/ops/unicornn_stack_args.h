#pragma once

#include <vector>

#include "tessera/ops/unicornn_stack.h"

// Between the files of unicornn_stack; not for callers.

namespace tessera::ops {

struct UnicornnStackArgs {
  at::Tensor x, masks;
  UnicornnState start;
  std::vector<UnicornnStackLayer> layers;
  UnicornnStackOptions options;

  int64_t num_layers() const { return static_cast<int64_t>(layers.size()); }
  int64_t width() const { return layers.front().w.size(0); }
};

/// All tensors in one row: x, masks, y0, z0, then five of each layer. Absent ones are undefined.
enum UnicornnStackPlace { kStackX, kStackMasks, kStackY0, kStackZ0, kStackLayers };
enum UnicornnLayerPlace { kLayerV, kLayerB, kLayerW, kLayerC, kLayerResidual, kLayerTensors };
std::vector<at::Tensor> tensors_of(const UnicornnStackArgs& args);

struct UnicornnStackKept {
  UnicornnStackResult result;
  std::vector<at::Tensor> drives;  ///< of the blocks, for the backward in mode kReconstruct
  int64_t parts = 1;               ///< of the batch, each with its share of the drives in its turn
};

/// The march of all layers through time. keep: fill `drives` where the mode wants them.
UnicornnStackKept unicornn_stack_cpu(const UnicornnStackArgs& args, bool keep);

struct UnicornnStackCotangents {
  at::Tensor y, y_n, z_n;  ///< undefined: zero
};

/// The gradients in the order of tensors_of, of those that `needs` asks for.
std::vector<at::Tensor> unicornn_stack_backward_cpu(const UnicornnStackCotangents& d,
                                                    const UnicornnState& end,
                                                    const std::vector<at::Tensor>& drives,
                                                    int64_t parts, const UnicornnStackArgs& args,
                                                    const std::vector<bool>& needs);

}  // namespace tessera::ops
