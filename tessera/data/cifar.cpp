#include "tessera/data/cifar.h"

#include <ATen/ATen.h>

#include <algorithm>
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

constexpr int64_t kSide = 32, kPixels = 3 * kSide * kSide;
/// Either tar holds 185 MB; anything past twice that is another archive.
constexpr size_t kLargestArchive = size_t{400} << 20;

/// How one of the two sets lies in its files.
struct Layout {
  std::string name;     ///< "cifar10": of the set and of its folder below the data root
  std::string folder;   ///< in the archive
  std::string archive;  ///< the official file
  std::vector<std::string> train_files, test_files;
  std::string names_file;  ///< the classes, one a line
  int64_t most_records;    ///< in a file
  int64_t label_bytes;     ///< in front of a record's pixels; the last of them is the class
  int64_t classes;
  std::vector<std::string> class_names;  ///< where names_file is not there

  int64_t record_bytes() const { return label_bytes + kPixels; }
  const std::vector<std::string>& files(bool is_train) const {
    return is_train ? train_files : test_files;
  }
};

const Layout& cifar10() {
  static const Layout layout{
      .name = "cifar10",
      .folder = "cifar-10-batches-bin",
      .archive = "cifar-10-binary.tar.gz",
      .train_files = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                      "data_batch_4.bin", "data_batch_5.bin"},
      .test_files = {"test_batch.bin"},
      .names_file = "batches.meta.txt",
      .most_records = 10000,
      .label_bytes = 1,
      .classes = 10,
      .class_names = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse",
                      "ship", "truck"}};
  return layout;
}

std::vector<std::string> numbers(int64_t count) {
  std::vector<std::string> names;
  for (int64_t c = 0; c < count; ++c) names.push_back(std::to_string(c));
  return names;
}

const Layout& cifar100() {
  static const Layout layout{.name = "cifar100",
                             .folder = "cifar-100-binary",
                             .archive = "cifar-100-binary.tar.gz",
                             .train_files = {"train.bin"},
                             .test_files = {"test.bin"},
                             .names_file = "fine_label_names.txt",
                             .most_records = 50000,
                             .label_bytes = 2,
                             .classes = 100,
                             .class_names = numbers(100)};
  return layout;
}

LabelledImages read_records(const Layout& layout, std::span<const std::byte> bytes,
                            const std::string& name) {
  const auto size = static_cast<int64_t>(bytes.size());
  const int64_t record = layout.record_bytes();
  if (size == 0 || size % record != 0 || size / record > layout.most_records) {
    fail<BadFile>({.where = layout.name,
                   .rule = name + " must have 1 to " + std::to_string(layout.most_records) +
                           " records of " + std::to_string(record) + " bytes",
                   .got = std::to_string(size) + " bytes",
                   .id = "T-CIFAR-01"});
  }
  const int64_t count = size / record;
  LabelledImages set{.images = at::empty({count, 3, kSide, kSide}, at::kByte),
                     .labels = at::empty({count}, at::kLong),
                     .num_classes = layout.classes};
  auto* pixels = set.images.mutable_data_ptr<uint8_t>();
  auto* labels = set.labels.mutable_data_ptr<int64_t>();
  for (int64_t r = 0; r < count; ++r) {
    const std::byte* source = bytes.data() + r * record;
    labels[r] = std::to_integer<int64_t>(source[layout.label_bytes - 1]);
    if (labels[r] >= layout.classes) {
      fail<BadFile>({.where = layout.name,
                     .rule = name + ": record " + std::to_string(r) + " must have a class 0.." +
                             std::to_string(layout.classes - 1),
                     .got = std::to_string(labels[r]),
                     .id = "T-CIFAR-02"});
    }
    std::memcpy(pixels + r * kPixels, source + layout.label_bytes, static_cast<size_t>(kPixels));
  }
  return set;
}

LabelledImages joined(const std::vector<LabelledImages>& parts) {
  if (parts.size() == 1) return parts.front();
  std::vector<at::Tensor> images, labels;
  for (const LabelledImages& part : parts) {
    images.push_back(part.images);
    labels.push_back(part.labels);
  }
  return {at::cat(images), at::cat(labels), parts.front().num_classes};
}

std::vector<std::string> read_names(const Layout& layout, const std::string& text,
                                    const std::string& path) {
  std::istringstream words(text);
  std::vector<std::string> names;
  for (std::string word; words >> word;) names.push_back(word);
  if (static_cast<int64_t>(names.size()) != layout.classes) {
    fail<BadFile>({.where = layout.name,
                   .rule = path + " must name " + std::to_string(layout.classes) + " classes",
                   .got = std::to_string(names.size()),
                   .id = "T-CIFAR-04"});
  }
  return names;
}

LabelledImages read_split(const Layout& layout, const fs::path& folder, bool is_train) {
  std::vector<LabelledImages> parts;
  for (const std::string& file : layout.files(is_train)) {
    const io::MappedFile mapped((folder / file).string());
    parts.push_back(read_records(layout, mapped.bytes(), mapped.path()));
  }
  return joined(parts);
}

ImageData read_folder(const Layout& layout, const fs::path& folder) {
  const fs::path names = folder / layout.names_file;
  return {.train = read_split(layout, folder, true),
          .test = read_split(layout, folder, false),
          .class_names = fs::exists(names)
                             ? read_names(layout, io::read_text(names.string()), names.string())
                             : layout.class_names};
}

ImageData read_archive(const Layout& layout, const std::string& path) {
  const io::MappedFile mapped(path);
  std::span<const std::byte> bytes = mapped.bytes();
  std::vector<std::byte> unpacked;
  if (io::is_gzip(bytes)) {
    unpacked = io::gunzip(bytes, kLargestArchive, path);
    bytes = unpacked;
  }
  std::map<std::string, LabelledImages> sets;
  std::vector<std::string> class_names = layout.class_names;
  io::TarReader tar(bytes, path);
  while (const auto file = tar.next()) {
    const std::string name = fs::path(file->name).filename().string();
    const std::string place = path + "/" + file->name;
    const auto is_among = [&](bool is_train) {
      return std::ranges::find(layout.files(is_train), name) != layout.files(is_train).end();
    };
    if (is_among(true) || is_among(false)) {
      sets[name] = read_records(layout, file->data, place);
    } else if (name == layout.names_file) {
      class_names = read_names(
          layout, {reinterpret_cast<const char*>(file->data.data()), file->data.size()}, place);
    }
  }
  const auto take = [&](bool is_train) {
    std::vector<LabelledImages> parts;
    for (const std::string& file : layout.files(is_train)) {
      if (!sets.contains(file)) {
        fail<BadFile>({.where = layout.name,
                       .rule = path + " must hold " + file,
                       .got = "an archive without it",
                       .next = "Fetch " + layout.archive + " again.",
                       .id = "T-CIFAR-03"});
      }
      parts.push_back(sets[file]);
    }
    return joined(parts);
  };
  return {.train = take(true), .test = take(false), .class_names = class_names};
}

ImageData read(const Layout& layout, const std::string& path) {
  return fs::is_directory(path) ? read_folder(layout, path) : read_archive(layout, path);
}

/// The folder or archive below the data root that holds `file`.
std::string find(const Layout& layout, const std::string& data_root, const std::string& file) {
  const fs::path root = data_root, own = root / layout.name;
  for (const fs::path& folder : {own / layout.folder, own, root / layout.folder}) {
    if (fs::exists(folder / file)) return folder.string();
  }
  const fs::path archive = own / layout.archive;
  if (fs::exists(archive)) return archive.string();
  fail<Io>({.where = layout.name,
            .rule = "the set's binary files must lie in " + own.string(),
            .got = "neither " + file + " nor " + layout.archive,
            .next = "`tessera data get " + layout.name + "` fetches the archive.",
            .id = "T-CIFAR-05"});
}

ImageData load(const Layout& layout, const std::string& data_root) {
  return read(layout, find(layout, data_root, layout.train_files.front()));
}

DataSource source(const Layout& layout, const std::string& summary, const std::string& sha256,
                  int64_t bytes) {
  return {.name = layout.name,
          .summary = summary,
          .licence = "none stated (A. Krizhevsky 2009, cs.toronto.edu/~kriz/cifar.html)",
          .files = {{.path = layout.name + "/" + layout.archive,
                     .url = "https://www.cs.toronto.edu/~kriz/" + layout.archive,
                     .sha256 = sha256,
                     .bytes = bytes}}};
}

}  // namespace

ImageData read_cifar10(const std::string& path) { return read(cifar10(), path); }
ImageData read_cifar100(const std::string& path) { return read(cifar100(), path); }

ImageData load_cifar10(const std::string& data_root) { return load(cifar10(), data_root); }
ImageData load_cifar100(const std::string& data_root) { return load(cifar100(), data_root); }

LabelledImages load_cifar10_split(bool is_train, const std::string& data_root) {
  const Layout& layout = cifar10();
  const std::string path = find(layout, data_root, layout.files(is_train).front());
  if (fs::is_directory(path)) return read_split(layout, path, is_train);
  ImageData data = read_archive(layout, path);
  return is_train ? std::move(data.train) : std::move(data.test);
}

DataSource cifar10_source() {
  return source(cifar10(), "50,000 + 10,000 colour images of 32 × 32 pixels in ten classes",
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", 170052171);
}

DataSource cifar100_source() {
  return source(cifar100(), "50,000 + 10,000 colour images of 32 × 32 pixels in 100 classes",
                "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec", 168513733);
}

}  // namespace tessera::data
