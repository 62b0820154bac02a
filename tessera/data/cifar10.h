#pragma once

#include <string>

#include "tessera/data/images.h"
#include "tessera/data/source.h"

namespace tessera::data {

/// CIFAR-10 in its binary form: images (N, 3, 32, 32), red, green, blue. `path` is the archive
/// cifar-10-binary.tar.gz or a folder with its files data_batch_1.bin … data_batch_5.bin,
/// test_batch.bin and, where it is there, batches.meta.txt (the names of the classes).
/// Throws BadFile (a file that is not 10,000 records of a label below 10 and 3,072 pixels, a file
/// that the archive lacks), Io (not there).
ImageData read_cifar10(const std::string& path);

/// read_cifar10 of what is there of <data_root>/cifar10/cifar-10-batches-bin, <data_root>/cifar10
/// and <data_root>/cifar10/cifar-10-binary.tar.gz.
ImageData load_cifar10(const std::string& data_root);

DataSource cifar10_source();

}  // namespace tessera::data
