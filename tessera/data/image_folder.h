#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::data {

/// How a picture of any size becomes one of height × width.
struct ImageFit {
  enum class Kind {
    kStretch,     ///< resized to it, whatever its shape
    kCubic,       ///< the same with cubic weights: Pillow's resize where no filter is named
    kCentreCrop,  ///< its shorter side resized to `shorter_side`, then the middle of it
    kNearest,     ///< stretched, each pixel the nearest one
  };
  Kind kind = Kind::kStretch;
  int64_t height = 224, width = 224;
  int64_t shorter_side = 256;
};

/// The picture in a PNG or JPEG file, told apart by its first bytes. returns (3, H, W) uint8
/// Throws BadFile (neither, or damaged), Io.
at::Tensor read_image(const std::string& path);

/// image (3, H, W) uint8 → (3, height, width). Resizing is bilinear (or cubic) and, where it
/// shrinks, averages as Pillow's does. Throws InvalidArgument where the crop is larger than what it
/// is cut from.
at::Tensor fitted(const at::Tensor& image, const ImageFit& fit);

struct PictureFile {
  std::string path;
  int64_t label;
};

/// A folder with one folder of pictures for each class. Classes are in the order of their names'
/// bytes ("10" before "2"), pictures in that of their paths below their class; names that begin
/// with a dot and files that do not end in .png, .jpg or .jpeg are passed over.
class ImageFolder {
 public:
  /// Throws Io (no such folder), BadFile (no classes, a class without pictures, more than the
  /// labels' 2³¹ pictures).
  explicit ImageFolder(const std::string& path);

  const std::vector<std::string>& class_names() const { return class_names_; }
  const std::vector<PictureFile>& files() const { return files_; }

 private:
  std::vector<std::string> class_names_;
  std::vector<PictureFile> files_;
};

}  // namespace tessera::data
