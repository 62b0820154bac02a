#include "tessera/data/pictures.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <utility>

#include "tessera/core/error.h"

namespace tessera::data {

LabelledImages load_pictures(std::span<const PictureFile> files, int64_t num_classes,
                             const ImageFit& fit, int64_t most_bytes) {
  const int64_t bytes = fit.height * fit.width * 3;
  const auto count = static_cast<int64_t>(files.size());
  if (count > most_bytes / bytes) {
    fail<InvalidArgument>(
        {.where = "image folder",
         .rule = "pictures in memory take at most " + std::to_string(most_bytes) + " bytes",
         .got = std::to_string(count) + " of " + std::to_string(bytes),
         .next = "Make them smaller, or read them one by one.",
         .id = "T-FOLDER-05"});
  }
  LabelledImages set{.images = at::empty({count, 3, fit.height, fit.width}, at::kByte),
                     .labels = at::empty({count}, at::kLong),
                     .num_classes = num_classes};
  auto* labels = set.labels.mutable_data_ptr<int64_t>();
  at::parallel_for(0, count, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const PictureFile& file = files[static_cast<size_t>(i)];
      set.images[i].copy_(fitted(read_image(file.path), fit));
      labels[i] = file.label;
    }
  });
  return set;
}

Pictures::Pictures(std::vector<PictureFile> files, const ImageFit& fit, SpareBytes spare)
    : files_(std::move(files)), fit_(fit), spare_(std::move(spare)), kept_(files_.size()) {}

at::Tensor Pictures::read(int64_t index) const {
  const auto i = static_cast<size_t>(index);
  {
    const std::lock_guard lock(*mutex_);
    if (kept_[i].defined()) return kept_[i];
  }
  // A copy of a view's own part: what is kept is what is counted.
  const at::Tensor image = fitted(read_image(files_[i].path), fit_).contiguous();
  const std::lock_guard lock(*mutex_);
  if (kept_[i].defined()) return image;
  const auto bytes = static_cast<int64_t>(image.nbytes());
  if (spare_->fetch_sub(bytes) >= bytes) {
    kept_[i] = image;
  } else {
    spare_->fetch_add(bytes);
  }
  return image;
}

}  // namespace tessera::data
