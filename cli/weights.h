#pragma once

#include <string>

#include "tessera/core/json.h"
#include "tessera/core/tensor_map.h"
#include "tessera/systems/system.h"

namespace tessera::cli {

struct WeightFile {
  TensorMap tensors;
  Json config;  ///< the metadata `config`, where the file has one; else null
};

/// Weights from .safetensors (of a case file: its `weight/*` and `buffer/*`), .npz, or a PyTorch
/// checkpoint, which a Python helper reads without running code from it.
/// Throws BadFile, Unsupported (an ending that is not known; no Python with torch) or Io.
WeightFile read_weights(const std::string& path);

/// Under our names, whether `weights` has them already or the authors'.
TensorMap to_ours(const TensorMap& weights, const System& system, const Config& config);

}  // namespace tessera::cli
