#pragma once

#include <string>

#include "tessera/data/images.h"
#include "tessera/data/source.h"

namespace tessera::data {

/// CIFAR-10 in its binary form: images (N, 3, 32, 32), red, green, blue. `path` is the archive
/// cifar-10-binary.tar.gz or a folder with its files data_batch_1.bin … data_batch_5.bin,
/// test_batch.bin and, where it is there, batches.meta.txt (the names of the classes).
/// Throws BadFile (a file that is not 1 … 10,000 records of a label below 10 and 3,072 pixels, a
/// file that the archive lacks), Io (not there).
ImageData read_cifar10(const std::string& path);

/// CIFAR-100 likewise: cifar-100-binary.tar.gz, or train.bin and test.bin with up to 50,000 records
/// of a coarse label (passed over), a fine label below 100 and 3,072 pixels, and
/// fine_label_names.txt.
ImageData read_cifar100(const std::string& path);

/// What is there of <data_root>/cifar10/cifar-10-batches-bin, <data_root>/cifar10,
/// <data_root>/cifar-10-batches-bin and <data_root>/cifar10/cifar-10-binary.tar.gz.
ImageData load_cifar10(const std::string& data_root);
/// One split alone; in a folder, the other's files need not be there.
LabelledImages load_cifar10_split(bool is_train, const std::string& data_root);

/// <data_root>/cifar100/cifar-100-binary, <data_root>/cifar100, <data_root>/cifar-100-binary or
/// <data_root>/cifar100/cifar-100-binary.tar.gz.
ImageData load_cifar100(const std::string& data_root);

DataSource cifar10_source();
DataSource cifar100_source();

}  // namespace tessera::data
