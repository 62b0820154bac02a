#pragma once

#include <memory>

#include "tessera/nn/convnet/convnet.h"
#include "tessera/nn/convnet/mergeable.h"
#include "tessera/systems/folded_cnn/config.h"
#include "tessera/systems/folded_cnn/grouping.h"
#include "tessera/systems/model.h"

namespace tessera::folded_cnn {

/// A CNN that classifies f images at once (section 3 of the paper). Logits of an image depend on
/// the images of its group and on its place among them: whoever must not see another's data, even
/// through such traces, may not share a group. fold 1 is the original network.
class FoldedCnn : public Model, public nn::Mergeable {
 public:
  /// Weights are drawn by the rule of the authors' trainer (Xavier for convolutions, normal(0,
  /// 0.01) for linear layers), float32.
  explicit FoldedCnn(const FoldedCnnConfig& config);

  const FoldedCnnConfig& config() const { return config_; }
  const nn::Network& network() const { return net_.network(); }
  const nn::ConvNet& net() const { return net_; }
  /// The network on folded inputs, with its weights.
  nn::WeightedNetwork merged() const override;

  struct Outputs {
    at::Tensor raw;     ///< (groups, f·K)
    at::Tensor logits;  ///< (n, K), a view of raw
  };
  /// images: (B, C, H, W), grouped in their order.
  /// Throws InvalidArgument on another shape, and on fewer images than f without padding.
  Outputs forward(const at::Tensor& images, Remainder remainder) const;
  /// The network on inputs that are folded already, (G, f·C, H, W).  returns (G, f·K)
  at::Tensor forward_folded(const at::Tensor& folded) const;

  /// images, and optionally target ((B) int64 classes, or (B, K) logits of a teacher) → raw,
  /// logits, and cross_entropy or mse_logits over the images that are kept. In training mode with
  /// batch norm also buffer_after/<name>: its statistics after this batch.
  TensorMap run(const TensorMap& inputs) override;

  /// As run(), but every image has its logits: requests go through a FoldQueue, which pads the last
  /// group.
  TensorMap predict(const TensorMap& inputs) override;

 private:
  FoldedCnnConfig config_;
  nn::ConvNet net_;
};

/// The loss of a configuration over the kept images: `loss` is cross_entropy or mse_logits.
/// Throws InvalidArgument on classes outside [0, K) and on logits of another shape.
at::Tensor loss_of(const std::string& loss, const at::Tensor& logits, const at::Tensor& target);

std::shared_ptr<FoldedCnn> make_model(const FoldedCnnConfig& config);

/// Names as the authors' modules have them; a leading "module." and counts of batches are dropped.
TensorMap from_authors(const TensorMap& theirs);

}  // namespace tessera::folded_cnn
