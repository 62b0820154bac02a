#pragma once

#include <vector>

#include "tessera/systems/gfnn/config.h"
#include "tessera/systems/gfnn/layers.h"
#include "tessera/systems/model.h"

namespace tessera::gfnn {

/// A layer's parameters, under the names that files have.
struct Parameters : torch::nn::Module {
  Parameters(const at::Tensor& weight, const at::Tensor& bias)
      : weight(register_parameter("weight", weight)), bias(register_parameter("bias", bias)) {}
  at::Tensor weight, bias;
};

/// One parameterisation: layers.l.weight (out, in), layers.l.bias (out). g is ignored.
class Perceptron final : public Model {
 public:
  explicit Perceptron(const GfnnConfig& config);
  TensorMap run(const TensorMap& inputs) override;

 private:
  GfnnConfig config_;
  std::vector<std::shared_ptr<Parameters>> layers_;
};

/// E networks whose parameters (mode-adaptive networks) or outputs a gate blends:
/// p = softmax(gate(g)). Parameters with a leading E, and gate.l.weight, gate.l.bias.
class MixtureOfExperts final : public Model {
 public:
  explicit MixtureOfExperts(const GfnnConfig& config);
  TensorMap run(const TensorMap& inputs) override;

 private:
  at::Tensor gate(const at::Tensor& g) const;
  at::Tensor blend_parameters(const at::Tensor& x, const at::Tensor& p, const Dropout& drop) const;
  at::Tensor blend_outputs(const at::Tensor& x, const at::Tensor& p, const Dropout& drop) const;

  GfnnConfig config_;
  std::vector<std::shared_ptr<Parameters>> layers_, gate_;
};

}  // namespace tessera::gfnn
