#pragma once

#include <memory>

#include "tessera/nn/convnet/int8.h"
#include "tessera/systems/folded_cnn/model.h"

namespace tessera::folded_cnn {

/// Forms of a trained network for inference alone: images (B, C, H, W) float32 → logits float32, of
/// whole groups, or of all images with remainder = "pad"; with a target also its loss.
class InferenceModel : public Model {
 public:
  explicit InferenceModel(const FoldedCnnConfig& config) : config_(config) {}
  TensorMap run(const TensorMap& inputs) override;

 protected:
  /// (G, f·C, H, W) → (G, f·K)
  virtual at::Tensor forward_folded(const at::Tensor& folded) const = 0;

 private:
  FoldedCnnConfig config_;
};

/// Parameters and maps in bfloat16, sums in float32.
std::shared_ptr<InferenceModel> in_bfloat16(const FoldedCnn& model);

/// nn::Int8Net with the scales that `images` (at least one group) give.
/// Throws what nn::Int8Net throws: of the architectures, game_cnn and noscope_cnn are its chains.
std::shared_ptr<InferenceModel> in_int8(const FoldedCnn& model, const at::Tensor& images);

/// How near the logits of another form come to those of the model on the same images.
struct Agreement {
  double same_class_percent = 0;
  double relative_error = 0;  ///< root mean square of the difference over that of the logits
};
Agreement agreement(const at::Tensor& logits, const at::Tensor& expected);

}  // namespace tessera::folded_cnn
