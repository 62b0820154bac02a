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

/// read_mnist_folder of <data_root>/mnist.
ImageData load_mnist(const std::string& data_root);
/// Of <data_root>/fashion-mnist, else of Debian's package dataset-fashion-mnist.
ImageData load_fashion_mnist(const std::string& data_root);
/// 240 + 60 images of each digit that ship with the library.
ImageData load_mnist_subset();

DataSource mnist_source();
DataSource fashion_mnist_source();

}  // namespace tessera::data
