#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <memory>
#include <string>

namespace tessera::egnn::se3 {

/// A level of the authors' parameter paths ("kernel_unary", "GMAB") that holds no parameter itself.
std::shared_ptr<torch::nn::Module> add_level(torch::nn::Module& parent, const std::string& name);

/// LayerNorm over `channels` under `name`.bn.
torch::nn::LayerNorm add_layer_norm(torch::nn::Module& parent, const std::string& name,
                                    int64_t channels);

/// Draws a weight again, for ReLU: U(±sqrt(6 / fan_in)).
void draw_for_relu(torch::nn::Linear& linear);

}  // namespace tessera::egnn::se3
