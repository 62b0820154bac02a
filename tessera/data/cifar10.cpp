#include "tessera/data/cifar10.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <map>
#include <sstream>

#include "tessera/core/error.h"
#include "tessera/io/file.h"
#include "tessera/io/gzip.h"
#include "tessera/io/tar.h"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kRecordsPerFile = 10000, kPixels = 3 * 32 * 32, kClasses = 10;
constexpr size_t kFileBytes = static_cast<size_t>(kRecordsPerFile * (1 + kPixels));
/// The tar holds 185 MB; anything past twice that is another archive.
constexpr size_t kLargestArchive = size_t{400} << 20;
constexpr std::array<const char*, 5> kTrainFiles = {"data_batch_1.bin", "data_batch_2.bin",
                                                    "data_batch_3.bin", "data_batch_4.bin",
                                                    "data_batch_5.bin"};
constexpr const char* kTestFile = "test_batch.bin";
constexpr const char* kMetaFile = "batches.meta.txt";

/// Copies a file's records behind the first `start` images of `set`.
void append(ImageSet& set, int64_t start, std::span<const std::byte> bytes,
            const std::string& name) {
  if (bytes.size() != kFileBytes) {
    fail<BadFile>({.where = "cifar10",
                   .rule = name + " must have " + std::to_string(kFileBytes) +
                           " bytes (10,000 records of a label and 3,072 pixels)",
                   .got = std::to_string(bytes.size()),
                   .id = "T-CIFAR-01"});
  }
  auto* pixels = set.images.mutable_data_ptr<uint8_t>() + start * kPixels;
  auto* labels = set.labels.mutable_data_ptr<int64_t>() + start;
  for (int64_t r = 0; r < kRecordsPerFile; ++r) {
    const std::byte* record = bytes.data() + r * (1 + kPixels);
    labels[r] = static_cast<int64_t>(record[0]);
    if (labels[r] >= kClasses) {
      fail<BadFile>({.where = "cifar10",
                     .rule = name + ": record " + std::to_string(r) + " must have a class 0..9",
                     .got = std::to_string(labels[r]),
                     .id = "T-CIFAR-02"});
    }
    std::memcpy(pixels + r * kPixels, record + 1, static_cast<size_t>(kPixels));
  }
}

/// The place of a file's records: the set and the first image; nullptr for other files.
ImageSet* place_of(ImageData& data, const std::string& file, int64_t& start) {
  start = 0;
  if (file == kTestFile) return &data.test;
  const auto found = std::ranges::find(kTrainFiles, file);
  if (found == kTrainFiles.end()) return nullptr;
  start = (found - kTrainFiles.begin()) * kRecordsPerFile;
  return &data.train;
}

std::vector<std::string> class_names(const std::string& text) {
  std::istringstream words(text);
  std::vector<std::string> names;
  for (std::string word; words >> word;) names.push_back(word);
  return names;
}

ImageData empty_data() {
  const auto set = [](int64_t size) {
    return ImageSet{.images = at::empty({size, 3, 32, 32}, at::kByte),
                    .labels = at::empty({size}, at::kLong)};
  };
  return {.train = set(kRecordsPerFile * static_cast<int64_t>(kTrainFiles.size())),
          .test = set(kRecordsPerFile),
          .class_names = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse",
                          "ship", "truck"}};
}

ImageData read_folder(const fs::path& folder) {
  ImageData data = empty_data();
  std::vector<std::string> files(kTrainFiles.begin(), kTrainFiles.end());
  files.emplace_back(kTestFile);
  for (const std::string& file : files) {
    const io::MappedFile mapped((folder / file).string());
    int64_t start = 0;
    ImageSet* set = place_of(data, file, start);
    append(*set, start, mapped.bytes(), mapped.path());
  }
  if (fs::exists(folder / kMetaFile)) {
    data.class_names = class_names(io::read_text((folder / kMetaFile).string()));
  }
  return data;
}

ImageData read_archive(const std::string& path) {
  const io::MappedFile mapped(path);
  std::span<const std::byte> bytes = mapped.bytes();
  std::vector<std::byte> unpacked;
  if (io::is_gzip(bytes)) {
    unpacked = io::gunzip(bytes, kLargestArchive, path);
    bytes = unpacked;
  }
  ImageData data = empty_data();
  std::map<std::string, int> seen;
  io::TarReader tar(bytes, path);
  while (const auto file = tar.next()) {
    const std::string name = fs::path(file->name).filename().string();
    int64_t start = 0;
    if (ImageSet* set = place_of(data, name, start)) {
      append(*set, start, file->data, path + "/" + file->name);
      ++seen[name];
    } else if (name == kMetaFile) {
      data.class_names =
          class_names({reinterpret_cast<const char*>(file->data.data()), file->data.size()});
    }
  }
  if (seen.size() != kTrainFiles.size() + 1) {
    fail<BadFile>({.where = "cifar10",
                   .rule = path + " must hold five training files and a test file",
                   .got = std::to_string(seen.size()) + " of them",
                   .next = "Fetch cifar-10-binary.tar.gz again.",
                   .id = "T-CIFAR-03"});
  }
  return data;
}

}  // namespace

ImageData read_cifar10(const std::string& path) {
  ImageData data = fs::is_directory(path) ? read_folder(path) : read_archive(path);
  if (static_cast<int64_t>(data.class_names.size()) != kClasses) {
    fail<BadFile>({.where = "cifar10",
                   .rule = path + ": batches.meta.txt must name ten classes",
                   .got = std::to_string(data.class_names.size()),
                   .id = "T-CIFAR-04"});
  }
  return data;
}

ImageData load_cifar10(const std::string& data_root) {
  const fs::path folder = fs::path(data_root) / "cifar10";
  for (const fs::path& place : {folder / "cifar-10-batches-bin", folder}) {
    if (fs::exists(place / kTrainFiles[0])) return read_cifar10(place.string());
  }
  const fs::path archive = folder / "cifar-10-binary.tar.gz";
  if (!fs::exists(archive)) {
    fail<Io>({.where = "cifar10",
              .rule = "CIFAR-10's binary files must lie in " + folder.string(),
              .got = "neither data_batch_1.bin nor cifar-10-binary.tar.gz",
              .next = "`tessera data get cifar10` fetches the archive.",
              .id = "T-CIFAR-05"});
  }
  return read_cifar10(archive.string());
}

DataSource cifar10_source() {
  return {.name = "cifar10",
          .summary = "50,000 + 10,000 colour images of 32 × 32 pixels in ten classes",
          .licence = "none stated (A. Krizhevsky 2009, cs.toronto.edu/~kriz/cifar.html)",
          .files = {{.path = "cifar10/cifar-10-binary.tar.gz",
                     .url = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                     .sha256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                     .bytes = 170052171}}};
}

}  // namespace tessera::data
