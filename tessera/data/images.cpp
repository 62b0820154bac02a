#include "tessera/data/images.h"

#include "tessera/core/error.h"
#include "tessera/data/cifar10.h"
#include "tessera/data/mnist.h"

namespace tessera::data {

const std::vector<std::string>& image_set_names() {
  static const std::vector<std::string> names = {"mnist", "fashion_mnist", "subset", "cifar10"};
  return names;
}

ImageData load_images(const std::string& name, const std::string& data_root) {
  if (name == "mnist") return load_mnist(data_root);
  if (name == "fashion_mnist") return load_fashion_mnist(data_root);
  if (name == "subset") return load_mnist_subset();
  if (name == "cifar10") return load_cifar10(data_root);
  fail<InvalidArgument>({.where = "images",
                         .rule = "the sets of images are mnist, fashion_mnist, subset, cifar10",
                         .got = "\"" + name + "\"",
                         .id = "T-IMAGE-01"});
}

}  // namespace tessera::data
