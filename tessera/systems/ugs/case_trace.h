#pragma once

#include "tessera/core/json.h"
#include "tessera/core/tensor_map.h"

namespace tessera::ugs {

/// UGS for a few epochs, with the noise of each round among the inputs and the masks of the last
/// epoch. config: the model's keys, and `train` with the optimizer's.
TensorMap run_trace_case(const Json& config, const TensorMap& inputs);

}  // namespace tessera::ugs
