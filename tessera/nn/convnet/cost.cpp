#include "tessera/nn/convnet/cost.h"

#include <numeric>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/nn/convnet/evaluate.h"

namespace tessera::nn {

NetworkCost cost(const Network& network) {
  const std::vector<LayerShapes> shapes = infer_shapes(network);
  NetworkCost total;
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const Layer& layer = network.layers[i];
    const bool is_conv = layer.kind == LayerKind::kConv;
    if (!is_conv && layer.kind != LayerKind::kLinear) continue;
    const Shape &in = shapes[i].in, &out = shapes[i].out;
    // Multiply-adds of one output.
    const int64_t reduced =
        is_conv ? layer.kernel * layer.kernel * in.channels / layer.groups : in.channels;
    const int64_t products = reduced * out.elements();
    total.layers.push_back({.layer = i,
                            .ops = 2 * products + (layer.has_bias ? out.elements() : 0),
                            .input_elements = in.elements(),
                            .output_elements = out.elements(),
                            .weight_elements = reduced * out.channels});
    total.ops += total.layers.back().ops;
    total.flops += 2 * (products + (is_conv ? out.elements() : 0));
    if (!is_conv) total.linear_flops += 2 * products;
  }
  for (const WeightSpec& spec : weight_specs(network)) {
    if (spec.is_buffer) continue;
    total.parameters += std::accumulate(spec.shape.begin(), spec.shape.end(), int64_t{1},
                                        std::multiplies<int64_t>());
  }
  return total;
}

double moved_bytes(const NetworkCost& cost, double inputs, double bytes_per_element) {
  double weights = 0, activations = 0;
  for (const LayerCost& layer : cost.layers) {
    weights += static_cast<double>(layer.weight_elements);
    activations += static_cast<double>(layer.input_elements + layer.output_elements);
  }
  return bytes_per_element * (weights + inputs * activations);
}

double arithmetic_intensity(const NetworkCost& cost, double inputs, double bytes_per_element) {
  if (!(inputs > 0) || !(bytes_per_element > 0)) {
    fail<InvalidArgument>({.where = "intensity",
                           .rule = "the batch and the bytes of an element are above 0",
                           .got = shortest(inputs) + " and " + shortest(bytes_per_element),
                           .id = "T-COST-01"});
  }
  return inputs * static_cast<double>(cost.ops) / moved_bytes(cost, inputs, bytes_per_element);
}

double arithmetic_intensity(const Network& network, double images, double bytes_per_element) {
  return arithmetic_intensity(cost(network), images / static_cast<double>(network.images_per_input),
                              bytes_per_element);
}

}  // namespace tessera::nn
