#include "tessera/systems/egnn/se3/parameters.h"

#include <torch/nn/init.h>
#include <torch/types.h>

namespace tessera::egnn::se3 {

std::shared_ptr<torch::nn::Module> add_level(torch::nn::Module& parent, const std::string& name) {
  return parent.register_module(name, std::make_shared<torch::nn::Module>(name));
}

torch::nn::LayerNorm add_layer_norm(torch::nn::Module& parent, const std::string& name,
                                    int64_t channels) {
  return add_level(parent, name)
      ->register_module("bn", torch::nn::LayerNorm(torch::nn::LayerNormOptions({channels})));
}

void draw_for_relu(torch::nn::Linear& linear) {
  torch::nn::init::kaiming_uniform_(linear->weight, 0, torch::kFanIn, torch::kReLU);
}

}  // namespace tessera::egnn::se3
