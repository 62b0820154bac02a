#include "tessera/data/images.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/data/cifar.h"
#include "tessera/data/mnist.h"

namespace tessera::data {

LabelledImages LabelledImages::first(int64_t count) const {
  const int64_t n = std::min(count, size());
  return {images.narrow(0, 0, n), labels.narrow(0, 0, n), num_classes};
}

LabelledImages LabelledImages::select(const at::Tensor& index) const {
  return {images.index_select(0, index), labels.index_select(0, index), num_classes};
}

const std::vector<std::string>& image_set_names() {
  static const std::vector<std::string> names = {"mnist", "fashion_mnist", "subset", "cifar10",
                                                 "cifar100"};
  return names;
}

ImageData load_images(const std::string& name, const std::string& data_root) {
  if (name == "mnist") return load_mnist(data_root);
  if (name == "fashion_mnist") return load_fashion_mnist(data_root);
  if (name == "subset") return load_mnist_subset();
  if (name == "cifar10") return load_cifar10(data_root);
  if (name == "cifar100") return load_cifar100(data_root);
  fail<InvalidArgument>({.where = "images",
                         .rule = "the sets of images are " + join(image_set_names(), ", "),
                         .got = "\"" + name + "\"",
                         .id = "T-IMAGE-01"});
}

LabelledImages load_idx_images(const std::string& name, bool is_train, const std::string& root) {
  if (name != "mnist" && name != "fashion_mnist") {
    fail<InvalidArgument>({.where = "images",
                           .rule = "the sets in IDX files are mnist, fashion_mnist",
                           .got = "\"" + name + "\"",
                           .id = "T-IMAGE-02"});
  }
  const std::string folder = name == "mnist" ? mnist_folder(root) : fashion_mnist_folder(root);
  return read_mnist_split(folder, is_train);
}

LabelledImages load_cifar10_images(bool is_train, const std::string& root) {
  return load_cifar10_split(is_train, root);
}

}  // namespace tessera::data
