#include "tessera/data/image_folder.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "tessera/core/error.h"
#include "tessera/io/file.h"
#include "tessera/io/jpeg.h"
#include "tessera/io/png.h"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostFiles = size_t{1} << 31;

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

bool is_picture(const fs::path& path) {
  std::string ending = path.extension().string();
  std::ranges::transform(ending, ending.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg";
}

[[noreturn]] void refuse(const std::string& path, const std::string& rule, const std::string& got) {
  fail<BadFile>({.where = "image folder",
                 .rule = path + ": " + rule,
                 .got = got,
                 .next = "Lay the pictures out as FOLDER/CLASS/NAME.png or .jpg.",
                 .id = "T-FOLDER-02"});
}

std::vector<std::string> pictures_below(const fs::path& folder) {
  std::vector<std::string> paths;
  for (auto entry = fs::recursive_directory_iterator(folder);
       entry != fs::recursive_directory_iterator(); ++entry) {
    if (is_hidden(entry->path())) {
      if (entry->is_directory()) entry.disable_recursion_pending();
    } else if (entry->is_regular_file() && is_picture(entry->path())) {
      paths.push_back(entry->path().string());
    }
  }
  std::ranges::sort(paths);
  return paths;
}

at::Tensor resized(const at::Tensor& image, int64_t height, int64_t width, bool is_nearest) {
  if (image.size(1) == height && image.size(2) == width) return image;
  const at::Tensor batch = image.unsqueeze(0);
  return (is_nearest ? at::upsample_nearest2d(batch, {height, width})
                     : at::_upsample_bilinear2d_aa(batch, {height, width}, /*align_corners=*/false))
      .squeeze(0);
}

at::Tensor centre_crop(const at::Tensor& image, int64_t height, int64_t width) {
  const auto offset = [](int64_t there, int64_t wanted) {
    if (there < wanted) {
      fail<InvalidArgument>({.where = "image folder",
                             .rule = "a crop is no larger than the picture it is cut from",
                             .got = std::to_string(wanted) + " of " + std::to_string(there),
                             .next = "Raise shorter_side.",
                             .id = "T-FOLDER-04"});
    }
    // To the even neighbour where it lies between two pixels, as the recipes' tools round.
    return static_cast<int64_t>(std::nearbyint(static_cast<double>(there - wanted) / 2));
  };
  return image.narrow(1, offset(image.size(1), height), height)
      .narrow(2, offset(image.size(2), width), width);
}

}  // namespace

at::Tensor read_image(const std::string& path) {
  const io::MappedFile mapped(path);
  const std::span<const std::byte> bytes = mapped.bytes();
  if (!io::is_png(bytes) && !io::is_jpeg(bytes)) {
    fail<BadFile>({.where = "image folder",
                   .rule = path + " must be a PNG or JPEG picture",
                   .got = "other bytes",
                   .id = "T-FOLDER-03"});
  }
  const io::Raster raster =
      io::is_png(bytes) ? io::decode_png(bytes, path) : io::decode_jpeg(bytes, path);
  const at::Tensor pixels = at::empty({raster.height, raster.width, 3}, at::kByte);
  std::memcpy(pixels.mutable_data_ptr(), raster.rgb.data(), raster.rgb.size());
  return pixels.permute({2, 0, 1}).contiguous();
}

at::Tensor fitted(const at::Tensor& image, const ImageFit& fit) {
  if (fit.kind != ImageFit::Kind::kCentreCrop) {
    return resized(image, fit.height, fit.width, fit.kind == ImageFit::Kind::kNearest);
  }
  const int64_t height = image.size(1), width = image.size(2), shorter = std::min(height, width);
  const auto scaled = [&](int64_t side) { return fit.shorter_side * side / shorter; };
  return centre_crop(resized(image, scaled(height), scaled(width), /*is_nearest=*/false),
                     fit.height, fit.width);
}

ImageFolder::ImageFolder(const std::string& path) {
  if (!fs::is_directory(path)) {
    fail<Io>({.where = "image folder",
              .rule = path + " must be a folder with a folder for each class",
              .got = "none",
              .id = "T-FOLDER-01"});
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    if (entry.is_directory() && !is_hidden(entry.path())) {
      class_names_.push_back(entry.path().filename().string());
    }
  }
  std::ranges::sort(class_names_);
  if (class_names_.empty()) refuse(path, "there is a folder for each class", "no folder");
  for (size_t c = 0; c < class_names_.size(); ++c) {
    const fs::path folder = fs::path(path) / class_names_[c];
    std::vector<std::string> pictures = pictures_below(folder);
    if (pictures.empty()) refuse(folder.string(), "a class has pictures", "none");
    if (files_.size() + pictures.size() > kMostFiles)
      refuse(path, "there are 2³¹ pictures", "more");
    for (std::string& picture : pictures) {
      files_.push_back({std::move(picture), static_cast<int64_t>(c)});
    }
  }
}

LabelledImages ImageFolder::load(const ImageFit& fit, int64_t most_bytes) const {
  const int64_t bytes = fit.height * fit.width * 3;
  if (size() > most_bytes / bytes) {
    fail<InvalidArgument>(
        {.where = "image folder",
         .rule = "pictures in memory take at most " + std::to_string(most_bytes) + " bytes",
         .got = std::to_string(size()) + " of " + std::to_string(bytes),
         .next = "Make them smaller, or read them one by one.",
         .id = "T-FOLDER-05"});
  }
  LabelledImages set{.images = at::empty({size(), 3, fit.height, fit.width}, at::kByte),
                     .labels = at::empty({size()}, at::kLong),
                     .num_classes = static_cast<int64_t>(class_names_.size())};
  auto* labels = set.labels.mutable_data_ptr<int64_t>();
  at::parallel_for(0, size(), /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      set.images[i].copy_(fitted(read_image(file(i)), fit));
      labels[i] = label(i);
    }
  });
  return set;
}

ImageData load_image_folders(const std::string& path, const ImageFit& fit) {
  const fs::path root = path;
  const ImageFolder train((root / "train").string());
  const ImageFolder test((root / (fs::exists(root / "test") ? "test" : "val")).string());
  if (train.class_names() != test.class_names()) {
    refuse(path, "training and test have the same classes",
           std::to_string(train.class_names().size()) + " and " +
               std::to_string(test.class_names().size()) + ", or of other names");
  }
  return {.train = train.load(fit), .test = test.load(fit), .class_names = train.class_names()};
}

}  // namespace tessera::data
