#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <memory>
#include <string>

#include "tessera/systems/system.h"
#include "tessera/train/recipe.h"

/// For tests: a system whose training takes milliseconds, yet draws from every random stream.
namespace tessera::train::toy {

struct ToyModelConfig final : Config {
  int64_t width = 8;
  double dropout = 0.1;
  bool batch_norm = true;
  void fields(FieldList& list) override {
    list("width", width, {.help = "hidden units", .min = 1});
    list("dropout", dropout, {.help = "of the hidden units", .min = 0, .max = 1});
    list("batch_norm", batch_norm, {.help = "normalise the hidden units"});
  }
};

/// A perceptron of one hidden layer, with a parameter that nothing uses.
class ToyModel final : public Model {
 public:
  explicit ToyModel(const ToyModelConfig& config)
      : hidden_(register_module("hidden", torch::nn::Linear(3, config.width))),
        norm_(register_module("norm", torch::nn::BatchNorm1d(config.width))),
        out_(register_module("out", torch::nn::Linear(config.width, 1))),
        dropout_(register_module("dropout", torch::nn::Dropout(config.dropout))),
        has_norm_(config.batch_norm) {
    register_parameter("unused", torch::ones({2}));
  }

  TensorMap run(const TensorMap& inputs) override {
    auto h = hidden_(inputs.at("x"));
    if (has_norm_) h = norm_(h);
    h = torch::tanh(h);
    return {{"pred", out_(dropout_(h)).squeeze(-1)}};
  }

 private:
  torch::nn::Linear hidden_;
  torch::nn::BatchNorm1d norm_;
  torch::nn::Linear out_;
  torch::nn::Dropout dropout_;
  bool has_norm_;
};

struct ToyTaskConfig final : Config {
  int64_t num_train = 26, num_valid = 10, num_test = 10;
  double noise = 0.1;
  double explode_at = 0;
  void fields(FieldList& list) override {
    list("num_train", num_train, {.help = "training examples", .min = 1});
    list("num_valid", num_valid, {.help = "validation examples", .min = 0});
    list("num_test", num_test, {.help = "test examples", .min = 0});
    list("noise", noise, {.help = "added to each training batch"});
    list("explode_at", explode_at, {.help = "batch whose loss is not finite; 0: none"});
  }
};

/// y = sin(Σ x / 2) of random points.
class ToyTask final : public Task {
 public:
  ToyTask(const ToyTaskConfig& config, const TaskContext& context)
      : config_(config), dtype_(context.dtype) {
    Rng rng(42);
    for (const Split split : {Split::kTrain, Split::kValid, Split::kTest}) {
      x_.push_back(torch::randn({size(split), 3}, rng.stream(name_of(split))).to(dtype_));
    }
  }

  int64_t size(Split split) const override {
    return split == Split::kTrain   ? config_.num_train
           : split == Split::kValid ? config_.num_valid
                                    : config_.num_test;
  }
  TensorMap batch(std::span<const int64_t> examples, BatchContext& context) const override {
    const auto index = torch::tensor(std::vector<int64_t>(examples.begin(), examples.end()));
    auto x = x_[static_cast<size_t>(context.split)].index_select(0, index);
    auto target = (x.sum(-1) / 2).sin();
    if (context.split == Split::kTrain) {
      x = x + config_.noise * torch::randn(x.sizes(), context.generator).to(dtype_);
      if (static_cast<double>(++batches_) == config_.explode_at) target = target / 0.0;
    }
    return {{"x", x}, {"target", target}};
  }
  at::Tensor loss(const TensorMap& outputs, const TensorMap& batch) const override {
    return torch::mse_loss(outputs.at("pred"), batch.at("target"));
  }
  void measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const override {
    const auto weight = static_cast<double>(batch.at("target").numel());
    tally.add("loss", loss(outputs, batch).item<double>(), weight);
  }

 private:
  ToyTaskConfig config_;
  at::ScalarType dtype_;
  std::vector<at::Tensor> x_;
  mutable int64_t batches_ = 0;
};

inline const Registry<System>& registry() {
  static const Registry<System> kRegistry = [] {
    Registry<System> registry("system");
    System toy;
    toy.name = "toy";
    toy.model = model_factory<ToyModelConfig>(
        [](const ToyModelConfig& config) { return std::make_shared<ToyModel>(config); });
    toy.tasks = {task_factory<ToyTaskConfig>(
        "sine", "y = sin(Σ x / 2)", [](const ToyTaskConfig& config, const TaskContext& context) {
          return std::make_unique<ToyTask>(config, context);
        })};
    registry.add(std::move(toy));
    return registry;
  }();
  return kRegistry;
}

/// A recipe of the toy system; each argument is more lines of a section, "lr = 0.05\n". Four epochs
/// of seven batches where `train` does not say otherwise.
inline Recipe recipe(const std::string& train = "", const std::string& task = "",
                     const std::string& run = "", const std::string& model = "") {
  const auto with_default = [&](const std::string& key, const std::string& value) {
    const bool is_given = ("\n" + train).find("\n" + key + " = ") != std::string::npos;
    return is_given ? std::string() : key + " = " + value + "\n";
  };
  const bool has_steps = train.find("steps = ") == 0 || train.find("\nsteps = ") != train.npos;
  const std::string text =
      "system = \"toy\"\n[model]\n" + model + "[task]\nname = \"sine\"\n" + task + "[train]\n" +
      train + with_default("batch_size", "4") + with_default("lr", "0.01") +
      (has_steps ? "" : with_default("epochs", "4")) + "[run]\nthreads = 1\n" + run;
  return read_recipe(parse_toml(text, "toy.toml"), "toy/sine", registry());
}

/// An empty folder that is removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tessera-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace tessera::train::toy
