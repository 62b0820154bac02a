#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace tessera::data {

/// Labelled images of one size, as their files hold them: a batch is converted when it is made.
struct LabelledImages {
  at::Tensor images;  ///< (N, C, H, W) uint8
  at::Tensor labels;  ///< (N) int64
  int64_t num_classes = 0;

  int64_t size() const { return labels.size(0); }
  /// The first `count` images, all where there are fewer.
  LabelledImages first(int64_t count) const;
  LabelledImages select(const at::Tensor& index) const;
};

struct ImageData {
  LabelledImages train, test;
  std::vector<std::string> class_names;
};

/// The sets that load_images knows: mnist, fashion_mnist, subset, cifar10, cifar100.
const std::vector<std::string>& image_set_names();

/// Reads a set by name from the data root; `subset` (3,000 images of MNIST) ships with the library.
/// Throws InvalidArgument (unknown name), Io (not there, with the command that fetches it),
/// BadFile.
ImageData load_images(const std::string& name, const std::string& data_root);

/// One split of "mnist" or "fashion_mnist"; the other's files need not be there. Throws as
/// load_images does.
LabelledImages load_idx_images(const std::string& name, bool is_train, const std::string& root);

/// One split of CIFAR-10; the other's files need not be there. Throws as load_images does.
LabelledImages load_cifar10_images(bool is_train, const std::string& root);

}  // namespace tessera::data
