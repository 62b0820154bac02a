#pragma once

#include <memory>
#include <string>

#include "tessera/core/json.h"
#include "tessera/core/tensor_map.h"
#include "tessera/systems/ugs/model.h"

namespace tessera::ugs {

/// A case's model with its weights loaded. Edge masks among the weights, a vector or the authors'
/// (N, N), are left to the inputs; a plain `weight` where the model has masks has masks of 1.
std::shared_ptr<UgsModel> case_model(const UgsConfig& config, const TensorMap& weights,
                                     at::ScalarType dtype);

/// What a case calls the model's parameter `own`: the plain `weight` where that is what it gave,
/// and
/// "" for the mask of such a weight.
std::string case_name(const std::string& own, const TensorMap& weights);

/// inputs: those of UgsModel::run, `weight/*`, `cotangent/*`. Returns the outputs, `grad/*` of
/// every weight reached and `grad_input/*`, edge masks in both forms. Without cotangents the loss
/// is what is differentiated.
TensorMap run_forward_case(const Json& config, const TensorMap& inputs);

}  // namespace tessera::ugs
