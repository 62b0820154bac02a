#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace tessera::data {

/// Labelled images as their files hold them: a batch is converted when it is made.
struct ImageSet {
  at::Tensor images;  ///< (N, channels, rows, columns) uint8
  at::Tensor labels;  ///< (N) int64

  int64_t size() const { return labels.size(0); }
};

struct ImageData {
  ImageSet train, test;
  std::vector<std::string> class_names;
};

/// The sets that load_images knows: mnist, fashion_mnist, subset, cifar10.
const std::vector<std::string>& image_set_names();

/// Reads a set by name from the data root; `subset` (3,000 images of MNIST) ships with the library.
/// Throws InvalidArgument (unknown name), Io (not there, with the command that fetches it),
/// BadFile.
ImageData load_images(const std::string& name, const std::string& data_root);

}  // namespace tessera::data
