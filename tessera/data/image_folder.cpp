#include "tessera/data/image_folder.h"

#include <ATen/ATen.h>

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

at::Tensor resized(const at::Tensor& image, int64_t height, int64_t width, ImageFit::Kind kind) {
  if (image.size(1) == height && image.size(2) == width) return image;
  const at::Tensor batch = image.unsqueeze(0);
  const auto resize = [&] {
    constexpr bool kAlignCorners = false;
    switch (kind) {
      case ImageFit::Kind::kNearest:
        return at::upsample_nearest2d(batch, {height, width});
      case ImageFit::Kind::kCubic:
        return at::_upsample_bicubic2d_aa(batch, {height, width}, kAlignCorners);
      default:
        return at::_upsample_bilinear2d_aa(batch, {height, width}, kAlignCorners);
    }
  };
  return resize().squeeze(0);
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
    return resized(image, fit.height, fit.width, fit.kind);
  }
  const int64_t height = image.size(1), width = image.size(2), shorter = std::min(height, width);
  const auto scaled = [&](int64_t side) { return fit.shorter_side * side / shorter; };
  return centre_crop(resized(image, scaled(height), scaled(width), fit.kind), fit.height,
                     fit.width);
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

}  // namespace tessera::data
