#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tessera/core/tensor_map.h"

namespace tessera::io {

/// Text beside the tensors of a file, ordered by name once read.
using Metadata = std::vector<std::pair<std::string, std::string>>;

struct TensorFile {
  TensorMap tensors;  ///< in the order of their bytes in the file
  Metadata metadata;

  /// The value, or nullptr.
  const std::string* find_metadata(std::string_view name) const;
};

/// How tensors come from a file. Mapped ones view the file's pages, which live as long as any of
/// them (a tensor whose bytes are misaligned for its dtype is copied); writing to them does not
/// reach the file. Copied ones lie in aligned storage of their own: take them for weights, since
/// BLAS may round differently at another alignment.
enum class Storage { kMapped, kCopied };

/// Reads a safetensors file to the full contract of its format (io/safetensors.h).
/// Throws BadFile, Unsupported (float8 and its like) or Io.
TensorFile read_tensor_file(const std::string& path, Storage storage = Storage::kMapped);

/// Writes a safetensors file atomically. Tensors are moved to the CPU and made contiguous where
/// they are not. Equal content gives equal bytes, whatever the order of the maps.
/// Throws InvalidArgument on an undefined or sparse tensor, a dtype that the format lacks, a
/// metadata key given twice or text that is not UTF-8; Io where the disk refuses.
void write_tensor_file(const std::string& path, const TensorMap& tensors,
                       const Metadata& metadata = {});

/// NumPy's .npy (versions 1 to 3, numbers and bools) and .npz (names without ".npy"). Pickled
/// arrays are refused. Throw BadFile, Unsupported or Io.
at::Tensor read_npy(const std::string& path);
TensorMap read_npz(const std::string& path);

/// IDX (MNIST's format), plain, in gzip or in bzip2, numbers in native byte order.
at::Tensor read_idx(const std::string& path);

}  // namespace tessera::io
