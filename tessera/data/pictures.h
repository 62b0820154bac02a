#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "tessera/data/image_folder.h"
#include "tessera/data/images.h"

namespace tessera::data {

/// All pictures in memory, fitted, read by all threads. Throws InvalidArgument where they take more
/// than `most_bytes`, and what read_image throws.
LabelledImages load_pictures(std::span<const PictureFile> files, int64_t num_classes,
                             const ImageFit& fit, int64_t most_bytes = int64_t{8} << 30);

/// Bytes that sets of pictures may keep in memory, all together.
using SpareBytes = std::shared_ptr<std::atomic<int64_t>>;

/// Pictures that stay in their files and are decoded when they are asked for. The first ones that
/// fit into `spare` stay in memory: where every epoch visits all, no choice of others would be
/// found there more often. What is kept changes no result.
class Pictures {
 public:
  Pictures() = default;
  Pictures(std::vector<PictureFile> files, const ImageFit& fit, SpareBytes spare);

  int64_t size() const { return static_cast<int64_t>(files_.size()); }
  int64_t label(int64_t index) const { return files_[static_cast<size_t>(index)].label; }
  /// (3, height, width) uint8, which the caller must not change. From any thread.
  /// Throws what read_image throws.
  at::Tensor read(int64_t index) const;

 private:
  std::vector<PictureFile> files_;
  ImageFit fit_;
  SpareBytes spare_;
  std::unique_ptr<std::mutex> mutex_ = std::make_unique<std::mutex>();
  mutable std::vector<at::Tensor> kept_;  ///< per file; undefined: not kept
};

}  // namespace tessera::data
