#pragma once

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>

#include <memory>
#include <vector>

#include "tessera/systems/lmu/config.h"
#include "tessera/systems/lmu/layer.h"
#include "tessera/systems/model.h"

namespace tessera::lmu {

/// A stack of layers with a head: any variant, and LMU and LSTM layers in turn (hybrid).
///
/// run: x (B, T, D) floats, or (B, T) int64 with a vocabulary; h0, m0 (the state before the first
/// step of a single layer); target for `mse`.
///   without head   output (B, T, H) or the last step's (B, H); h the same for variant parallel
///   num_classes    logits        output_dim   prediction, and mse (1) with a target
///   always         h_n, c_n, m_n of the last layer, where it has them
class LmuModel : public Model {
 public:
  explicit LmuModel(const LmuConfig& config);
  TensorMap run(const TensorMap& inputs) override;
  void constrain() override;

  /// What each layer carries.
  using States = std::vector<State>;
  struct Result {
    at::Tensor hidden;  ///< of the last layer: (B, T, H) with return_sequences, else (B, H)
    at::Tensor head;    ///< undefined without head
    States states;
  };
  /// Whole sequences, or parts of them with the states that the part before left.
  Result forward(const at::Tensor& x, const States& states = {});

 private:
  at::Tensor embedded(const at::Tensor& x) const;

  LmuConfig config_;
  torch::nn::Embedding embedding_{nullptr};
  std::vector<std::shared_ptr<Layer>> layers_;
  torch::nn::Linear dense_{nullptr}, classifier_{nullptr};
};

/// The model that `config.architecture` names.
std::shared_ptr<Model> make_model(const LmuConfig& config);

}  // namespace tessera::lmu
