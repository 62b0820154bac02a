#include "tessera/systems/lmu/layer.h"

#include <ATen/ATen.h>

#include <cmath>

#include "tessera/ops/lmu_cell.h"
#include "tessera/systems/lmu/general_layer.h"
#include "tessera/systems/lmu/lstm_layer.h"
#include "tessera/systems/lmu/original_layer.h"
#include "tessera/systems/lmu/parallel_layer.h"

namespace tessera::lmu {

at::Tensor activate(std::string_view name, const at::Tensor& z) {
  return ops::activated(std::string(name), z);
}

std::shared_ptr<Layer> make_layer(const LmuConfig& config, int64_t input_dim) {
  if (config.variant == "parallel") return std::make_shared<ParallelLayer>(config, input_dim);
  if (config.variant == "general") return std::make_shared<GeneralLayer>(config, input_dim);
  return std::make_shared<OriginalLayer>(config, input_dim);
}

LstmLayer::LstmLayer(const LmuConfig& config, int64_t input_dim) : hidden_dim_(config.hidden_dim) {
  const double bound = 1 / std::sqrt(static_cast<double>(hidden_dim_));
  const auto parameter = [&](const char* name, at::IntArrayRef sizes) {
    return register_parameter(name, at::empty(sizes).uniform_(-bound, bound));
  };
  weight_ih_ = parameter("weight_ih", {4 * hidden_dim_, input_dim});
  weight_hh_ = parameter("weight_hh", {4 * hidden_dim_, hidden_dim_});
  bias_ih_ = parameter("bias_ih", {4 * hidden_dim_});
  bias_hh_ = parameter("bias_hh", {4 * hidden_dim_});
}

LayerResult LstmLayer::forward(const at::Tensor& x, const State& state, bool every_step) {
  const auto start = [&](const at::Tensor& given) {
    return given.defined() ? given.unsqueeze(0)
                           : at::zeros({1, x.size(0), hidden_dim_}, x.options());
  };
  const auto [outputs, h_n, c_n] =
      at::lstm(x, {start(state.h), start(state.c)}, {weight_ih_, weight_hh_, bias_ih_, bias_hh_},
               /*has_biases=*/true, /*num_layers=*/1, /*dropout=*/0.0, is_training(),
               /*bidirectional=*/false, /*batch_first=*/true);
  LayerResult result{.last = h_n.squeeze(0), .state = {.h = h_n.squeeze(0), .c = c_n.squeeze(0)}};
  if (every_step) result.outputs = outputs;
  return result;
}

}  // namespace tessera::lmu
