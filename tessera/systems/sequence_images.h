#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tessera/core/config.h"
#include "tessera/systems/task.h"

namespace tessera {

/// How a task on images chooses them: the keys that every such task has.
struct ImageSplitConfig : Config {
  std::string source = "mnist";
  int64_t train_size = 0, valid_size = 0, test_size = 0;
  std::string split = "random";
  int64_t split_seed = 0;

  void fields(FieldList& list) override;

 protected:
  virtual std::vector<std::string> sources() const { return {"mnist", "fashion_mnist", "subset"}; }
};

/// A split as it lies in memory: one row of bytes an image. A batch converts its own rows.
struct PackedImages {
  at::Tensor pixels;  ///< (N, …) uint8
  at::Tensor labels;  ///< (N) int64
};

/// The three splits that a configuration asks for, images (N, channels, rows, columns).
/// `order`: of the training images before they are split; empty: the files'.
/// Throws InvalidArgument where more images are asked for than there are.
std::array<PackedImages, 3> split_images(const ImageSplitConfig& config,
                                         const std::string& data_root,
                                         const std::vector<int64_t>& order = {});

/// Cross entropy of "logits" (B, C) against y, with accuracy in percent: the part that all
/// classification tasks share.
class ImageTask : public Task {
 public:
  int64_t size(Split split) const override { return of(split).labels.size(0); }
  TensorMap batch(std::span<const int64_t> examples, BatchContext& context) const override;
  at::Tensor loss(const TensorMap& outputs, const TensorMap& batch) const override;
  void measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const override;
  std::string selection_metric() const override { return "accuracy"; }
  bool larger_is_better() const override { return true; }

 protected:
  ImageTask(std::array<PackedImages, 3> splits, at::ScalarType dtype)
      : splits_(std::move(splits)), dtype_(dtype) {}

  /// A batch's pixels (B, …) uint8 as the model's x in the task's dtype.
  virtual at::Tensor sequence(const at::Tensor& pixels) const = 0;
  at::ScalarType dtype() const { return dtype_; }
  /// Of one image's pixels as they lie in memory.
  at::IntArrayRef example_sizes() const { return of(Split::kTrain).pixels.sizes().slice(1); }

 private:
  const PackedImages& of(Split split) const { return splits_[static_cast<size_t>(split)]; }

  std::array<PackedImages, 3> splits_;
  at::ScalarType dtype_;
};

}  // namespace tessera
