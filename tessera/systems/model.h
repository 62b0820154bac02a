#pragma once

#include <torch/nn/module.h>

#include <functional>
#include <memory>
#include <string>

#include "tessera/core/config.h"
#include "tessera/core/tensor_map.h"

namespace tessera {

/// A model: a module with one generic entry beside its typed forward(...).
class Model : public torch::nn::Module {
 public:
  /// Named tensors in, named tensors out. Never modifies its inputs; ignores names it does not know
  /// and derives what it can (a complete edge list from an adjacency matrix, say).
  virtual TensorMap run(const TensorMap& inputs) = 0;

  /// What `predict` asks: run(), but with an output for every example, also where run() works on
  /// groups of examples and leaves an incomplete one out.
  virtual TensorMap predict(const TensorMap& inputs) { return run(inputs); }

  /// Brings parameters back to where they must lie (1/θ ≥ 0); called after each update.
  virtual void constrain() {}

  /// Buffers that load_weights may leave at their constructed values when a file lacks them.
  virtual bool is_derived(const std::string& buffer_name) const;

  /// Whether a training forward draws the dropout masks that its inputs leave out. A case holds all
  /// of its noise, so that its runner turns drawing off: what it does not hold was not there.
  bool draws_noise() const { return draws_noise_; }
  void set_draws_noise(bool draws) { draws_noise_ = draws; }

 private:
  bool draws_noise_ = true;
};

/// Parameters and buffers under their path names ("gcl_0.edge_mlp.0.weight"), detached, not copied.
TensorMap weights_of(const torch::nn::Module& module);

/// Copies `weights` into the module's parameters and buffers of the same names.
/// Throws InvalidArgument on a missing, unexpected or misshapen entry, naming all of a kind.
void load_weights(Model& model, const TensorMap& weights);

/// A config type and the function that builds its model: what a system puts in its registry entry.
struct ModelFactory {
  std::function<std::unique_ptr<Config>()> config;
  std::function<std::shared_ptr<Model>(const Config&)> make;
};

template <class ConfigT>
ModelFactory model_factory(std::function<std::shared_ptr<Model>(const ConfigT&)> make) {
  return {
      .config = [] { return std::make_unique<ConfigT>(); },
      .make = [make](const Config& config) { return make(dynamic_cast<const ConfigT&>(config)); }};
}

}  // namespace tessera
