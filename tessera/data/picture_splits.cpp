#include "tessera/data/picture_splits.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "tessera/core/error.h"
#include "tessera/io/file.h"
#include "tessera/io/image_list.h"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

/// The pictures of a split's folder, which has the classes of the training folder.
std::vector<PictureFile> files_of(const fs::path& folder, const std::vector<std::string>& classes) {
  const ImageFolder images(folder.string());
  const std::vector<std::string>& names = images.class_names();
  if (names == classes) return images.files();
  std::vector<std::string> different;
  std::ranges::set_symmetric_difference(names, classes, std::back_inserter(different));
  fail<BadFile>({.where = "image folder",
                 .rule = folder.string() + " has the classes of the folder train",
                 .got = "\"" + different.front() + "\" in one of them alone",
                 .next = "Give every split a folder of each class.",
                 .id = "T-FOLDER-06"});
}

std::vector<PictureFile> read_list(const fs::path& root, const std::string& name) {
  const std::string path = (root / name).string();
  const io::MappedFile mapped(path);
  std::vector<PictureFile> files;
  for (const io::ImageListEntry& entry :
       io::parse_image_list(mapped.bytes(), root.string(), path)) {
    std::string picture = (root / entry.path).string();
    if (!fs::is_regular_file(picture)) {
      fail<Io>({.where = "image list",
                .rule = path + ": line " + std::to_string(entry.line) + " must name a file",
                .got = picture + ", which is not there",
                .next = "Paths are relative to " + root.string() + ".",
                .id = "T-LIST-07"});
    }
    files.push_back({std::move(picture), entry.label});
  }
  return files;
}

int64_t largest_label(const std::vector<PictureFile>& files) {
  return std::ranges::max_element(files, {}, &PictureFile::label)->label;
}

}  // namespace

PictureSplits picture_folders(const std::string& path) {
  const fs::path root = path;
  const bool has_valid = fs::exists(root / "val"), has_test = fs::exists(root / "test");
  const ImageFolder train((root / "train").string());
  PictureSplits splits{.train = train.files(), .class_names = train.class_names()};
  if (has_valid) splits.valid = files_of(root / "val", splits.class_names);
  splits.test = has_test || !has_valid ? files_of(root / "test", splits.class_names) : splits.valid;
  return splits;
}

PictureSplits picture_lists(const std::string& root, const PictureLists& lists) {
  const fs::path folder = fs::absolute(root).lexically_normal();
  PictureSplits splits{.train = read_list(folder, lists.train),
                       .test = read_list(folder, lists.test)};
  if (lists.valid) splits.valid = read_list(folder, *lists.valid);
  const int64_t classes = largest_label(splits.train) + 1;
  std::vector<bool> is_seen(static_cast<size_t>(classes));
  for (const PictureFile& file : splits.train) is_seen[static_cast<size_t>(file.label)] = true;
  const auto unseen = std::ranges::find(is_seen, false);
  if (unseen != is_seen.end()) {
    fail<BadFile>({.where = "image list",
                   .rule = lists.train + " has a picture of every class up to the largest label, " +
                           std::to_string(classes - 1),
                   .got = "none of class " + std::to_string(unseen - is_seen.begin()),
                   .next = "Number the classes from 0 without a gap.",
                   .id = "T-LIST-08"});
  }
  const auto check = [&](const std::vector<PictureFile>& files, const std::string& name) {
    if (files.empty() || largest_label(files) < classes) return;
    fail<BadFile>({.where = "image list",
                   .rule = "labels of " + name + " are below " + std::to_string(classes) +
                           ", the classes of " + lists.train,
                   .got = std::to_string(largest_label(files)),
                   .next = "Number the classes alike in all lists.",
                   .id = "T-LIST-09"});
  };
  check(splits.valid, lists.valid.value_or(""));
  check(splits.test, lists.test);
  for (int64_t i = 0; i < classes; ++i) splits.class_names.push_back(std::to_string(i));
  return splits;
}

void hold_out(PictureSplits& splits, double share, uint64_t seed) {
  std::vector<std::vector<size_t>> by_class(splits.class_names.size());
  const at::Generator random = at::detail::createCPUGenerator(seed);
  const auto count = static_cast<int64_t>(splits.train.size());
  const at::Tensor order = at::randperm(count, random, at::kLong);
  for (int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<size_t>(order.const_data_ptr<int64_t>()[i]);
    by_class[static_cast<size_t>(splits.train[index].label)].push_back(index);
  }
  std::vector<bool> is_held(splits.train.size());
  for (const std::vector<size_t>& rows : by_class) {
    const auto wanted = static_cast<size_t>(std::lround(share * static_cast<double>(rows.size())));
    for (size_t i = 0; i < wanted && i + 1 < rows.size(); ++i) is_held[rows[i]] = true;
  }
  std::vector<PictureFile> left;
  for (size_t i = 0; i < splits.train.size(); ++i) {
    (is_held[i] ? splits.valid : left).push_back(std::move(splits.train[i]));
  }
  splits.train = std::move(left);
}

}  // namespace tessera::data
