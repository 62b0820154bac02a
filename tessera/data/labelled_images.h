#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace tessera::data {

/// Labelled images of one size, as bytes: a batch is converted when it is made.
struct LabelledImages {
  at::Tensor images;  ///< (N, C, H, W) uint8
  at::Tensor labels;  ///< (N) int64
  int64_t num_classes = 0;

  int64_t size() const { return labels.size(0); }
  /// The first `count` images, all where there are fewer.
  LabelledImages first(int64_t count) const;
  LabelledImages select(const at::Tensor& index) const;
};

/// MNIST or Fashion-MNIST ("mnist", "fashion_mnist") from the four IDX files, plain or gzipped, in
/// <root>/mnist or <root>/fashion-mnist; Fashion-MNIST also from Debian's package.
/// Throws Io where there is none, BadFile where images and labels do not fit each other.
LabelledImages load_idx_images(const std::string& name, bool is_train, const std::string& root);

/// CIFAR-10 in the official binary layout (data_batch_1.bin … 5, test_batch.bin) in <root>/cifar10,
/// <root>/cifar10/cifar-10-batches-bin or <root>/cifar-10-batches-bin. Throws Io, BadFile.
LabelledImages load_cifar10_images(bool is_train, const std::string& root);

}  // namespace tessera::data
