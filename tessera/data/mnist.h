#pragma once

#include <string>

#include "tessera/data/images.h"
#include "tessera/data/source.h"

namespace tessera::data {

/// The four IDX files of MNIST's layout in `folder` (train-images-idx3-ubyte, train-labels-…,
/// t10k-images-…, t10k-labels-…), each plain, .gz or .bz2: images (N, 1, rows, columns).
/// Throws BadFile (not IDX, no bytes, images and labels that do not belong together, a label that
/// is no class), Io (not there).
ImageData read_mnist_folder(const std::string& folder);
/// Two of the four: those of the training images, or of the test images.
LabelledImages read_mnist_split(const std::string& folder, bool is_train);

/// <data_root>/mnist, and <data_root>/fashion-mnist or, where that is not there and Debian's
/// package dataset-fashion-mnist is, the package's.
std::string mnist_folder(const std::string& data_root);
std::string fashion_mnist_folder(const std::string& data_root);

/// read_mnist_folder of these folders.
ImageData load_mnist(const std::string& data_root);
ImageData load_fashion_mnist(const std::string& data_root);
/// 240 + 60 images of each digit that ship with the library.
ImageData load_mnist_subset();

DataSource mnist_source();
DataSource fashion_mnist_source();

}  // namespace tessera::data
