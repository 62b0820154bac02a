#include "tessera/systems/egnn/nbody_data.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <filesystem>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/io/hash.h"
#include "tessera/io/tensor_file.h"

namespace tessera::egnn {
namespace {

/// Systems drawn at a time: enough for all threads, few enough for smooth progress.
constexpr int64_t kBlock = 256;
constexpr int64_t kHeldOut = 2000;
/// What the paper trains on. Larger sizes simulate the whole training stream, once.
constexpr int64_t kUsualTrainSize = 3000;

struct Source {
  std::string name;  ///< of the file
  uint32_t seed;
  int64_t train_drawn, sample_every;
};

struct DataSet {
  std::string name;
  Source train;
  int64_t first_frame, last_frame;
};

const Source kSmall = {
    .name = "nbody_small", .seed = 43, .train_drawn = 10000, .sample_every = 100};
const Source kLarge = {.name = "nbody", .seed = 42, .train_drawn = 50000, .sample_every = 500};

/// The first one's frames are those of validation and test.
const std::vector<DataSet>& data_sets() {
  static const std::vector<DataSet> sets = {
      {.name = "nbody_small", .train = kSmall, .first_frame = 30, .last_frame = 40},
      {.name = "nbody", .train = kLarge, .first_frame = 6, .last_frame = 8},
      {.name = "nbody_small_out_dist", .train = kSmall, .first_frame = 20, .last_frame = 30}};
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

/// The tensors of a source, from its file or simulated and filed.
TensorMap load_source(const Source& source, int64_t train_kept, const std::string& data_root,
                      const std::function<void(const std::string&, double)>& progress) {
  SimulatorConfig config;
  config.sample_every = source.sample_every;
  std::vector<StreamPart> parts = {{"train", source.train_drawn, train_kept}};
  // Of nbody only the training part is ever read, and it comes first in the stream.
  if (source.name == kSmall.name) {
    parts.push_back({"valid", kHeldOut, kHeldOut});
    parts.push_back({"test", kHeldOut, kHeldOut});
  }
  Json recipe = {{"simulator", write_config(config)}, {"seed", source.seed}};
  for (const StreamPart& part : parts)
    recipe["parts"].push_back({part.name, part.drawn, part.kept});
  const std::string text = recipe.dump();

  const std::filesystem::path folder = std::filesystem::path(data_root) / "egnn";
  const std::string path =
      (folder / (source.name + "-" + std::to_string(train_kept) + "-" +
                 io::xxh3_hex(std::as_bytes(std::span(text))).substr(0, 12) + ".safetensors"))
          .string();
  if (std::filesystem::exists(path)) return io::read_tensor_file(path).tensors;

  const TensorMap tensors = simulate_stream(config, source.seed, parts, [&](double fraction) {
    if (progress) progress("simulating " + source.name, fraction);
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
  io::write_tensor_file(path, tensors, {{"recipe", text}});
  return tensors;
}

}  // namespace

TensorMap simulate_stream(const SimulatorConfig& config, uint32_t seed,
                          std::span<const StreamPart> parts,
                          const std::function<void(double)>& progress) {
  const Simulator simulator(config);
  data::NumpyRandom random(seed);
  const int64_t n = config.num_particles, frames = config.num_frames();
  int64_t total = 0, done = 0;
  for (const StreamPart& part : parts) total += part.kept;

  TensorMap tensors;
  for (size_t p = 0; p < parts.size(); ++p) {
    const StreamPart& part = parts[p];
    const at::Tensor loc = at::empty({part.kept, frames, n, 3}, at::kFloat);
    const at::Tensor vel = at::empty({part.kept, frames, n, 3}, at::kFloat);
    const at::Tensor kinds = config.is_charged() ? at::empty({part.kept, n, 1}, at::kFloat)
                                                 : at::empty({part.kept, n, n}, at::kFloat);
    float* const loc_data = loc.mutable_data_ptr<float>();
    float* const vel_data = vel.mutable_data_ptr<float>();
    float* kinds_data = kinds.mutable_data_ptr<float>();
    for (int64_t begin = 0; begin < part.kept; begin += kBlock) {
      const int64_t size = std::min(kBlock, part.kept - begin);
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
      done += size;
      if (progress) progress(static_cast<double>(done) / static_cast<double>(total));
    }
    if (p + 1 < parts.size()) {
      for (int64_t s = part.kept; s < part.drawn; ++s) simulator.skip(random);
    }
    tensors.set(part.name + "/loc", loc);
    tensors.set(part.name + "/vel", vel);
    tensors.set(part.name + (config.is_charged() ? "/charges" : "/edges"), kinds);
  }
  return tensors;
}

const std::vector<std::string>& nbody_data_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> found;
    for (const DataSet& set : data_sets()) found.push_back(set.name);
    return found;
  }();
  return names;
}

NbodyTrajectories load_nbody(const std::string& name, Split split, int64_t train_size,
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
  if (train_size < 1 || train_size > found->train.train_drawn) {
    fail<InvalidArgument>({.where = "nbody",
                           .rule = name + " has between 1 and " +
                                   std::to_string(found->train.train_drawn) + " training systems",
                           .got = std::to_string(train_size),
                           .next = "Change task.train_size.",
                           .id = "T-EGNN-44"});
  }
  // Held-out systems of nbody come from nbody_small's usual file.
  const bool is_usual = train_size <= kUsualTrainSize || set.train.name != found->train.name;
  const int64_t kept = is_usual ? kUsualTrainSize : set.train.train_drawn;
  const TensorMap source = load_source(set.train, kept, data_root, progress);
  const std::string part = name_of(split);
  const int64_t size = split == Split::kTrain ? train_size : kHeldOut;
  return {.loc = source.at(part + "/loc").narrow(0, 0, size),
          .vel = source.at(part + "/vel").narrow(0, 0, size),
          .charges = source.at(part + "/charges").narrow(0, 0, size),
          .first_frame = set.first_frame,
          .last_frame = set.last_frame};
}

}  // namespace tessera::egnn
