#include "tessera/data/series.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>

#include "tessera/core/error.h"
#include "tessera/io/arff.h"
#include "tessera/io/file.h"
#include "tessera/io/gzip.h"
#include "tessera/io/tensor_file.h"
#include "tessera/io/ts.h"
#include "tessera/io/zip.h"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;
using Answer = io::SeriesFile::Answer;

/// The largest set here, EigenWorms in all the forms its archive holds, unpacks to about 1 GB.
constexpr size_t kLargestUnpacked = size_t{4} << 30;
/// Padding to the longest series multiplies a file's size: 8 GiB of floats is no set of this kind.
constexpr int64_t kMostValues = int64_t{1} << 31;

/// What a set must be.
struct Expected {
  std::string name;                  ///< the archive's: "EigenWorms"
  std::vector<std::string> folders;  ///< below the data root
  int64_t channels = 0;
  int64_t classes = 0;  ///< 0: a regression
};

SeriesSet to_set(const io::SeriesFile& file, const std::string& path) {
  const auto size = static_cast<int64_t>(file.lengths.size());
  if (size == 0) {
    fail<BadFile>({.where = "series", .rule = path + " must hold series", .id = "T-SER-01"});
  }
  const int64_t steps = *std::ranges::max_element(file.lengths), channels = file.channels;
  // Divided, not multiplied: the product may overflow.
  if (steps > kMostValues / channels / size) {
    fail<BadFile>({.where = "series",
                   .rule = path + " must hold at most 2^31 values, padded to the longest series",
                   .got = std::to_string(size) + " series of up to " + std::to_string(steps) +
                          " steps, " + std::to_string(channels) + " channels",
                   .id = "T-SER-02"});
  }
  SeriesSet set{.values = at::zeros({size, steps, channels}, at::kFloat),
                .lengths = at::tensor(file.lengths, at::kLong),
                .class_names = file.class_names};
  const float* next = file.values.data();
  for (int64_t n = 0; n < size; ++n) {
    const int64_t length = file.lengths[static_cast<size_t>(n)];
    const at::Tensor series_FT =
        at::from_blob(const_cast<float*>(next), {channels, length}, at::kFloat);
    set.values[n].narrow(0, 0, length).copy_(series_FT.t());
    next += channels * length;
  }
  if (file.answer == Answer::kClass) set.labels = at::tensor(file.classes, at::kLong);
  if (file.answer == Answer::kValue) set.targets = at::tensor(file.targets, at::kDouble);
  return set;
}

/// By the name's ending: what is read, and whether it is in gzip.
SeriesSet parse_named(std::span<const std::byte> bytes, const std::string& path) {
  std::string_view name = path;
  std::vector<std::byte> unpacked;
  if (name.ends_with(".gz")) {
    unpacked = io::gunzip(bytes, kLargestUnpacked, path);
    bytes = unpacked;
    name.remove_suffix(3);
  }
  if (name.ends_with(".ts")) return to_set(io::parse_ts(bytes, path), path);
  if (name.ends_with(".arff")) return to_set(io::parse_arff(bytes, path), path);
  fail<Unsupported>({.where = "series",
                     .rule = "a file of series ends with .ts, .arff, .ts.gz or .arff.gz",
                     .got = path,
                     .id = "T-SER-03"});
}

SeriesData two_files(const std::function<SeriesSet(const std::string& stem)>& read,
                     const Expected& expected) {
  const SeriesSet train = read(expected.name + "_TRAIN"), test = read(expected.name + "_TEST");
  return {.pool = joined(train, test), .sizes = {train.size(), test.size()}};
}

std::optional<SeriesData> find_files(const fs::path& folder, const Expected& expected) {
  for (const char* ending : {".ts", ".ts.gz", ".arff", ".arff.gz"}) {
    if (!fs::exists(folder / (expected.name + "_TRAIN" + ending))) continue;
    return two_files(
        [&](const std::string& stem) {
          return read_series_file((folder / (stem + ending)).string());
        },
        expected);
  }
  return {};
}

std::optional<SeriesData> find_zip(const fs::path& folder, const Expected& expected) {
  const std::string path = (folder / (expected.name + ".zip")).string();
  if (!fs::exists(path)) return {};
  const io::MappedFile file(path);
  const auto entries = io::read_zip_directory(file.bytes(), kLargestUnpacked, path);
  const auto find = [&](const std::string& name) {
    return std::ranges::find(entries, name, &io::ZipEntry::name);
  };
  for (const char* ending : {".ts", ".arff"}) {
    if (find(expected.name + "_TRAIN" + ending) == entries.end()) continue;
    return two_files(
        [&](const std::string& stem) {
          const std::string name = stem + ending;
          const auto entry = find(name);
          if (entry == entries.end()) {
            fail<BadFile>(
                {.where = "series", .rule = path + " must hold " + name, .id = "T-SER-04"});
          }
          return parse_named(io::read_zip_entry(*entry, path), path + ":" + name);
        },
        expected);
  }
  fail<BadFile>({.where = "series",
                 .rule = path + " must hold " + expected.name + "_TRAIN.ts or .arff",
                 .id = "T-SER-04"});
}

std::optional<SeriesData> find_arrays(const fs::path& folder, const Expected& expected) {
  if (!fs::exists(folder / "trainx.npy")) return {};
  SeriesData data;
  for (const char* split : {"train", "valid", "test"}) {
    const std::string path = (folder / (std::string(split) + "x.npy")).string();
    const at::Tensor x = io::read_npy(path);
    const at::Tensor y = io::read_npy((folder / (std::string(split) + "y.npy")).string()).clone();
    if (x.dim() != 3 || x.numel() == 0 || y.numel() != x.size(0) || y.dim() > 2) {
      fail<BadFile>(
          {.where = "series",
           .rule = path + " must be (N, T, F), and its y.npy hold N numbers",
           .got = std::to_string(x.dim()) + " axes, and " + std::to_string(y.numel()) + " numbers",
           .id = "T-SER-05"});
    }
    SeriesSet set{.values = x.to(at::kFloat).clone(),
                  .lengths = at::full({x.size(0)}, x.size(1), at::kLong)};
    if (expected.classes > 0) {
      set.labels = y.flatten().to(at::kLong);
      for (int64_t c = 0; c < expected.classes; ++c) set.class_names.push_back(std::to_string(c));
    } else {
      set.targets = y.flatten().to(at::kDouble);
    }
    data.sizes.push_back(set.size());
    data.pool = data.pool.values.defined() ? joined(data.pool, set) : set;
  }
  return data;
}

void check(const SeriesData& data, const Expected& expected, const fs::path& folder) {
  const SeriesSet& set = data.pool;
  const auto refuse = [&](const std::string& rule, const std::string& got) {
    fail<BadFile>({.where = "series",
                   .rule = expected.name + " in " + folder.string() + " must have " + rule,
                   .got = got,
                   .id = "T-SER-06"});
  };
  if (set.values.size(2) != expected.channels) {
    refuse(std::to_string(expected.channels) + " channels", std::to_string(set.values.size(2)));
  }
  if (expected.classes > 0) {
    const auto named = static_cast<int64_t>(set.class_names.size());
    if (!set.labels.defined() || named != expected.classes) {
      refuse(std::to_string(expected.classes) + " classes", std::to_string(named));
    }
    const int64_t least = set.labels.min().item<int64_t>(), most = set.labels.max().item<int64_t>();
    if (least < 0 || most >= expected.classes) {
      refuse("labels from 0 to " + std::to_string(expected.classes - 1),
             std::to_string(least < 0 ? least : most));
    }
  } else if (!set.targets.defined()) {
    refuse("a number to predict", "classes or nothing");
  }
  if (set.lengths.min().item<int64_t>() != set.values.size(1)) {
    refuse("series of one length", std::to_string(set.lengths.min().item<int64_t>()) + " to " +
                                       std::to_string(set.values.size(1)) + " steps");
  }
  if (!at::isfinite(set.values).all().item<bool>() ||
      (set.targets.defined() && !at::isfinite(set.targets).all().item<bool>())) {
    refuse("every value", "missing ones");
  }
}

SeriesData load(const Expected& expected, const std::string& data_root, const std::string& set) {
  for (const std::string& name : expected.folders) {
    const fs::path folder = fs::path(data_root) / name;
    for (const auto find : {find_files, find_zip, find_arrays}) {
      std::optional<SeriesData> data = find(folder, expected);
      if (!data) continue;
      check(*data, expected, folder);
      return std::move(*data);
    }
  }
  fail<Io>({.where = "series",
            .rule = expected.name + "_TRAIN and _TEST (.ts or .arff, plain or .gz), " +
                    expected.name + ".zip or trainx.npy and its like must lie in " +
                    (fs::path(data_root) / expected.folders[0]).string(),
            .got = "none of them",
            .next = "`tessera data get unicornn/" + set +
                    "` fetches them; task.source = \"generated\" needs none.",
            .id = "T-SER-07"});
}

const std::vector<std::pair<std::string, std::string>>& bidmc_names() {
  static const std::vector<std::pair<std::string, std::string>> names = {
      {"rr", "RR"}, {"hr", "HR"}, {"spo2", "SpO2"}};
  return names;
}

}  // namespace

SeriesSet read_series_file(const std::string& path) {
  return parse_named(io::MappedFile(path).bytes(), path);
}

SeriesSet joined(const SeriesSet& first, const SeriesSet& second) {
  if (first.values.size(2) != second.values.size(2) || first.class_names != second.class_names ||
      first.labels.defined() != second.labels.defined() ||
      first.targets.defined() != second.targets.defined()) {
    fail<BadFile>({.where = "series",
                   .rule = "files of one set must have the same channels and classes",
                   .got = std::to_string(first.values.size(2)) + " and " +
                          std::to_string(second.values.size(2)) + " channels, " +
                          std::to_string(first.class_names.size()) + " and " +
                          std::to_string(second.class_names.size()) + " classes",
                   .id = "T-SER-08"});
  }
  const int64_t size = first.size() + second.size();
  const int64_t steps = std::max(first.values.size(1), second.values.size(1));
  if (steps > kMostValues / first.values.size(2) / size) {
    fail<BadFile>({.where = "series",
                   .rule = "a set must hold at most 2^31 values, padded to the longest series",
                   .got = std::to_string(size) + " series of up to " + std::to_string(steps),
                   .id = "T-SER-02"});
  }
  SeriesSet both{.values = at::zeros({size, steps, first.values.size(2)}, at::kFloat),
                 .lengths = at::cat({first.lengths, second.lengths}),
                 .class_names = first.class_names};
  both.values.narrow(0, 0, first.size()).narrow(1, 0, first.values.size(1)).copy_(first.values);
  both.values.narrow(0, first.size(), second.size())
      .narrow(1, 0, second.values.size(1))
      .copy_(second.values);
  if (first.labels.defined()) both.labels = at::cat({first.labels, second.labels});
  if (first.targets.defined()) both.targets = at::cat({first.targets, second.targets});
  return both;
}

SeriesData load_eigenworms(const std::string& data_root) {
  return load({.name = "EigenWorms",
               .folders = {"eigenworms", "eigenworms/EigenWorms", "EigenWorms"},
               .channels = 6,
               .classes = 5},
              data_root, "eigenworms");
}

const std::vector<std::string>& bidmc_quantities() {
  static const std::vector<std::string> quantities = {"rr", "hr", "spo2"};
  return quantities;
}

SeriesData load_bidmc(const std::string& quantity, const std::string& data_root) {
  const auto found =
      std::ranges::find(bidmc_names(), quantity, &std::pair<std::string, std::string>::first);
  if (found == bidmc_names().end()) {
    fail<InvalidArgument>({.where = "series",
                           .rule = "BIDMC has the quantities rr, hr and spo2",
                           .got = "\"" + quantity + "\"",
                           .id = "T-SER-09"});
  }
  const std::string name = "BIDMC32" + found->second;
  return load({.name = name,
               .folders = {"bidmc", "bidmc/" + name, name, "bidmc/" + found->second},
               .channels = 2},
              data_root, "bidmc");
}

DataSource eigenworms_source() {
  return {
      .name = "eigenworms",
      .summary = "259 recordings of worms, 17,984 steps of 6 channels, 5 classes",
      .licence = "research use (UEA & UCR archive)",
      .files = {{.path = "eigenworms/EigenWorms.zip",
                 .url = "https://www.timeseriesclassification.com/aeon-toolkit/EigenWorms.zip"}}};
}

DataSource bidmc_source() {
  DataSource source{.name = "bidmc",
                    .summary =
                        "7,949 recordings of pulse and heart, 4,000 steps of 2 channels, with "
                        "the rates of breath and heart and the blood's oxygen",
                    .licence = "CC BY 4.0 (Monash, UEA & UCR archive; BIDMC: ODC-By 1.0)"};
  const std::pair<const char*, const char*> records[] = {
      {"BIDMC32RR", "4001463"}, {"BIDMC32HR", "4001456"}, {"BIDMC32SpO2", "4001464"}};
  for (const auto& [name, record] : records) {
    for (const char* part : {"_TRAIN.ts", "_TEST.ts"}) {
      source.files.push_back(
          {.path = std::string("bidmc/") + name + part,
           .url = std::string("https://zenodo.org/record/") + record + "/files/" + name + part});
    }
  }
  return source;
}

}  // namespace tessera::data
