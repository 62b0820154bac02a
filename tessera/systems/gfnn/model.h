#pragma once

#include <memory>

#include "tessera/systems/gfnn/config.h"
#include "tessera/systems/model.h"

namespace tessera::gfnn {

/// The model of a configuration, with freshly drawn parameters (float32, from the default
/// generator). Inputs: x (B, in_dim); g (B, D), for a mixture of experts (B, gate_in_dim);
/// optionally dropout_mask_l (B, in_l), 1 where an input of layer l is kept. Outputs: y
/// (B, out_dim); node_weights (B, G1, …, GD) of a grid, gate (B, E) of a mixture.
/// run() throws InvalidArgument on shapes that do not fit and on a g that is not finite.
std::shared_ptr<Model> make_model(const GfnnConfig& config);

}  // namespace tessera::gfnn
