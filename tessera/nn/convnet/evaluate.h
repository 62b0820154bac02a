#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <span>
#include <vector>

#include "tessera/core/tensor_map.h"
#include "tessera/nn/convnet/network.h"

namespace tessera::nn {

/// The tensors of one layer; undefined where it has none.
struct LayerTensors {
  at::Tensor weight, bias, running_mean, running_var;
};

/// One entry of a network's weights.
struct WeightSpec {
  std::string name;  ///< "<layer>.weight", ".bias", ".running_mean", ".running_var"
  std::vector<int64_t> shape;
  bool is_buffer = false;  ///< statistics of batch norm
  size_t layer = 0;        ///< index into Network::layers
};

/// Every parameter and buffer of a network, in the order of its layers. Checks the network.
std::vector<WeightSpec> weight_specs(const Network& network);

/// Throws InvalidArgument where `weights` lacks an entry or has one of another shape. More entries
/// are no harm.
void check_weights(const Network& network, const TensorMap& weights);

/// A layer's tensors among a network's weights.
LayerTensors tensors_of(const Layer& layer, const TensorMap& weights);

enum class Mode { kEvaluate, kTrain };

/// One layer as ATen operators. In kTrain, batch norm uses and updates statistics of the batch and
/// dropout drops.
at::Tensor apply(const Layer& layer, const LayerTensors& tensors,
                 std::span<const at::Tensor> inputs, Mode mode);

/// The order of evaluation of a network, made once: who reads what, and when a value is last read.
class Schedule {
 public:
  explicit Schedule(const Network& network);

  /// What computes layer `index` from its inputs.
  using LayerFunction = std::function<at::Tensor(size_t index, std::span<const at::Tensor> inputs)>;

  /// Runs the layers in order on x and returns the last one's output. A value is freed after its
  /// last reader. Methods that replace layers (spiking neurons, aggregated convolutions) bring
  /// their own function.
  at::Tensor run(const at::Tensor& x, const LayerFunction& function) const {
    return run(x, function, 0, sources_.size());
  }
  /// Layers begin … end − 1 alone, on what layer begin − 1 gave (0: the network's input). None of
  /// them may read anything else from outside: is_cut(begin).
  at::Tensor run(const at::Tensor& x, const LayerFunction& function, size_t begin,
                 size_t end) const;
  /// Whether all that layers from `begin` on read from before is layer begin − 1.
  bool is_cut(size_t begin) const;

 private:
  static constexpr size_t kFromInput = static_cast<size_t>(-1);
  std::vector<std::vector<size_t>> sources_;  ///< per layer; kFromInput is x
  std::vector<size_t> last_reader_;           ///< per layer; itself where nobody reads it
};

/// The whole network on x (B, C, H, W) with weights by name.
at::Tensor evaluate(const Network& network, const TensorMap& weights, const at::Tensor& x,
                    Mode mode = Mode::kEvaluate);

}  // namespace tessera::nn
