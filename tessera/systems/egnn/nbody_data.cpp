#include "tessera/systems/egnn/nbody_data.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <span>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/io/hash.h"
#include "tessera/io/tensor_file.h"

namespace tessera::egnn {
namespace {

/// Systems drawn at a time: enough for all threads, few enough for smooth progress.
constexpr int64_t kBlock = 256;

/// Sizes of the files that are kept: a smaller request reads the first of the next larger file.
constexpr std::array<int64_t, 3> kFileSizes = {100, 500, 3000};

/// A stream of systems: training, then validation, then test.
struct Source {
  std::string name;  ///< of the files
  uint32_t seed;
  int64_t sample_every, train_size, held_out_size;

  int64_t size(Split split) const { return split == Split::kTrain ? train_size : held_out_size; }
  int64_t first(Split split) const {
    return split == Split::kTrain ? 0 : train_size + (split == Split::kTest ? held_out_size : 0);
  }
};

struct DataSet {
  std::string name;
  Source source;
  int64_t first_frame, last_frame;
};

const Source kSmall = {.name = "nbody_small",
                       .seed = 43,
                       .sample_every = 100,
                       .train_size = 10000,
                       .held_out_size = 2000};
const Source kLarge = {
    .name = "nbody", .seed = 42, .sample_every = 500, .train_size = 50000, .held_out_size = 2000};

/// The first one gives validation and test to all.
const std::vector<DataSet>& data_sets() {
  static const std::vector<DataSet> sets = {
      {.name = "nbody_small", .source = kSmall, .first_frame = 30, .last_frame = 40},
      {.name = "nbody", .source = kLarge, .first_frame = 6, .last_frame = 8},
      {.name = "nbody_small_out_dist", .source = kSmall, .first_frame = 20, .last_frame = 30}};
  return sets;
}

/// (frames × 3 × n) doubles into (frames, n, 3) floats.
void store_frames(const std::vector<double>& values, int64_t n, float* target) {
  const int64_t frames = static_cast<int64_t>(values.size()) / (3 * n);
  for (int64_t f = 0; f < frames; ++f) {
    for (int64_t axis = 0; axis < 3; ++axis) {
      for (int64_t i = 0; i < n; ++i) {
        const double value = values[static_cast<size_t>((f * 3 + axis) * n + i)];
        target[(f * n + i) * 3 + axis] = static_cast<float>(value);
      }
    }
  }
}

/// The first `size` systems of a split, from their file or simulated and filed.
TensorMap load_systems(const Source& source, Split split, int64_t size,
                       const std::string& data_root,
                       const std::function<void(const std::string&, double)>& progress) {
  SimulatorConfig config;
  config.sample_every = source.sample_every;
  const Json recipe = {{"simulator", write_config(config)},
                       {"seed", source.seed},
                       {"first", source.first(split)},
                       {"count", size}};
  const std::string text = recipe.dump();
  const std::string key = io::xxh3_hex(std::as_bytes(std::span(text))).substr(0, 12);

  const std::filesystem::path folder = std::filesystem::path(data_root) / "egnn";
  const std::string part = std::string(name_of(split)) + "-" + std::to_string(size);
  const std::string path =
      (folder / (source.name + "-" + part + "-" + key + ".safetensors")).string();
  if (std::filesystem::exists(path)) return io::read_tensor_file(path).tensors;

  const TensorMap systems =
      simulate_systems(config, source.seed, source.first(split), size, [&](double fraction) {
        if (progress) progress("simulating " + source.name + " " + name_of(split), fraction);
      });
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    fail<Io>({.where = "data",
              .rule = "the data folder " + folder.string() + " cannot be made",
              .got = error.message(),
              .next = "Name another with --data.",
              .id = "T-EGNN-42"});
  }
  io::write_tensor_file(path, systems, {{"recipe", text}});
  return systems;
}

}  // namespace

TensorMap simulate_systems(const SimulatorConfig& config, uint32_t seed, int64_t first,
                           int64_t count, const std::function<void(double)>& progress) {
  const Simulator simulator(config);
  data::NumpyRandom random(seed);
  for (int64_t s = 0; s < first; ++s) simulator.skip(random);

  const int64_t n = config.num_particles, frames = config.num_frames();
  const at::Tensor loc = at::empty({count, frames, n, 3}, at::kFloat);
  const at::Tensor vel = at::empty({count, frames, n, 3}, at::kFloat);
  const at::Tensor kinds = at::empty({count, n, config.is_charged() ? 1 : n}, at::kFloat);
  float* const loc_data = loc.mutable_data_ptr<float>();
  float* const vel_data = vel.mutable_data_ptr<float>();
  float* kinds_data = kinds.mutable_data_ptr<float>();

  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t size = std::min(kBlock, count - begin);
    std::vector<Start> starts;
    for (int64_t s = 0; s < size; ++s) {
      starts.push_back(simulator.draw(random));
      const Start& start = starts.back();
      const auto& values = config.is_charged() ? start.charges : start.edges;
      for (const double value : values) *kinds_data++ = static_cast<float>(value);
    }
    at::parallel_for(0, size, 1, [&](int64_t from, int64_t to) {
      for (int64_t s = from; s < to; ++s) {
        const Trajectory trajectory = simulator.run(starts[static_cast<size_t>(s)]);
        const int64_t offset = (begin + s) * frames * n * 3;
        store_frames(trajectory.loc, n, loc_data + offset);
        store_frames(trajectory.vel, n, vel_data + offset);
      }
    });
    if (progress) progress(static_cast<double>(begin + size) / static_cast<double>(count));
  }
  return {{"loc", loc}, {"vel", vel}, {config.is_charged() ? "charges" : "edges", kinds}};
}

const std::vector<std::string>& nbody_data_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> found;
    for (const DataSet& set : data_sets()) found.push_back(set.name);
    return found;
  }();
  return names;
}

NbodyTrajectories load_nbody(const std::string& name, Split split, int64_t size,
                             const std::string& data_root,
                             const std::function<void(const std::string&, double)>& progress) {
  const auto found = std::ranges::find(data_sets(), name, &DataSet::name);
  if (found == data_sets().end()) {
    fail<InvalidArgument>({.where = "nbody",
                           .rule = "unknown data set \"" + name + "\"",
                           .next = did_you_mean(name, nbody_data_names()),
                           .id = "T-EGNN-43"});
  }
  const DataSet& set = split == Split::kTrain ? *found : data_sets().front();
  const int64_t largest = set.source.size(split);
  if (size < 1 || size > largest) {
    fail<InvalidArgument>({.where = "nbody",
                           .rule = set.name + " has between 1 and " + std::to_string(largest) +
                                   " systems in " + name_of(split),
                           .got = std::to_string(size),
                           .next = "Change task.train_size or task.held_out_size.",
                           .id = "T-EGNN-44"});
  }
  const auto rounded = std::ranges::lower_bound(kFileSizes, size);
  const int64_t file_size = rounded == kFileSizes.end() ? largest : std::min(*rounded, largest);
  const TensorMap systems = load_systems(set.source, split, file_size, data_root, progress);
  return {.loc = systems.at("loc").narrow(0, 0, size),
          .vel = systems.at("vel").narrow(0, 0, size),
          .charges = systems.at("charges").narrow(0, 0, size),
          .first_frame = set.first_frame,
          .last_frame = set.last_frame};
}

}  // namespace tessera::egnn
