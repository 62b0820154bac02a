#include "tessera/systems/sequence_tasks.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "tessera/core/error.h"
#include "tessera/data/cifar.h"
#include "tessera/data/imdb.h"
#include "tessera/data/mnist.h"
#include "tessera/data/permutation.h"
#include "tessera/data/text.h"
#include "tessera/systems/sequence_images.h"

namespace tessera {
namespace {

struct PsmnistConfig final : ImageSplitConfig {
  std::string permutation = "reference_unicornn";

  void fields(FieldList& list) override {
    ImageSplitConfig::fields(list);
    list("permutation", permutation,
         {.help = "order of the pixels: none, torch:SEED, numpy:SEED, reference_unicornn, lmu2019 "
                  "(orders the training images too), file:PATH"});
  }
  void choose_defaults(const Json& given) override {
    if (given.value("permutation", Json()) != Json("lmu2019")) return;
    split = "last";
    valid_size = 10000;
  }
  void validate() const override {
    // Only this order is made for a set of one size.
    if (permutation == "lmu2019" && source == "subset") {
      fail<InvalidArgument>({.where = "task",
                             .rule = "permutation = \"lmu2019\" needs all 60,000 training images",
                             .got = "source = \"subset\"",
                             .next = "Take source = \"mnist\".",
                             .id = "T-SEQ-03"});
    }
  }
};

class PsmnistTask final : public ImageTask {
 public:
  PsmnistTask(const PsmnistConfig& config, const TaskContext& context)
      : ImageTask(permuted(config, context), context.dtype) {}

 private:
  static std::array<PackedImages, 3> permuted(const PsmnistConfig& config,
                                              const TaskContext& context) {
    const bool lmu2019 = config.permutation == "lmu2019";
    auto splits = split_images(config, context.data_root,
                               lmu2019 ? data::lmu2019_orders().samples : std::vector<int64_t>());
    const auto order = data::named_permutation(config.permutation, splits[0].pixels[0].numel());
    const at::Tensor index = at::tensor(order, at::kLong);
    for (PackedImages& split : splits) {
      split.pixels = split.pixels.flatten(1).index_select(1, index);
    }
    return splits;
  }

  at::Tensor sequence(const at::Tensor& pixels) const override {
    return pixels.to(dtype()).div_(255).unsqueeze(2);
  }
};

struct NoisePaddedConfig final : ImageSplitConfig {
  int64_t length = 1000;
  int64_t noise_seed = 12345;

  void fields(FieldList& list) override {
    ImageSplitConfig::fields(list);
    list("length", length,
         {.help = "steps of a sequence: the image's rows, then noise",
          .unit = "steps",
          .min = 1,
          .max = 1e6});
    list("noise_seed", noise_seed,
         {.help = "seed of the noise that all samples share", .min = 0, .max = 4294967295});
  }

 protected:
  std::vector<std::string> sources() const override { return data::image_set_names(); }
};

class NoisePaddedTask final : public ImageTask {
 public:
  NoisePaddedTask(const NoisePaddedConfig& config, const TaskContext& context)
      : ImageTask(as_rows(config, context), context.dtype) {
    const int64_t steps = config.length - example_sizes()[0], width = example_sizes()[1];
    if (steps < 0) {
      fail<InvalidArgument>({.where = "task",
                             .rule = "length must be at least an image's " +
                                     std::to_string(example_sizes()[0]) + " rows",
                             .got = std::to_string(config.length),
                             .id = "T-SEQ-04"});
    }
    const auto generator =
        at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(config.noise_seed));
    // In float, as the authors draw it: doubles would take other numbers from the generator.
    noise_TD_ =
        at::randn({steps, width}, generator, at::TensorOptions(at::kFloat)).to(context.dtype);
  }

 private:
  /// (N, channels, rows, columns) → (N, rows, channels·columns).
  static std::array<PackedImages, 3> as_rows(const NoisePaddedConfig& config,
                                             const TaskContext& context) {
    auto splits = split_images(config, context.data_root);
    for (PackedImages& split : splits) {
      split.pixels = split.pixels.transpose(1, 2).flatten(2).contiguous();
    }
    return splits;
  }

  at::Tensor sequence(const at::Tensor& pixels) const override {
    const int64_t count = pixels.size(0), rows = pixels.size(1), noise = noise_TD_.size(0);
    const at::Tensor x = at::empty({count, rows + noise, pixels.size(2)}, noise_TD_.options());
    x.narrow(1, 0, rows).copy_(pixels).div_(255);
    x.narrow(1, rows, noise).copy_(noise_TD_.unsqueeze(0).expand({count, -1, -1}));
    return x;
  }

  at::Tensor noise_TD_;
};

}  // namespace

TaskFactory psmnist_task() {
  return task_factory<PsmnistConfig>("psmnist",
                                     "digits read pixel by pixel in a fixed order, 784 steps",
                                     [](const PsmnistConfig& config, const TaskContext& context) {
                                       return std::make_unique<PsmnistTask>(config, context);
                                     });
}

TaskFactory noise_padded_task() {
  return task_factory<NoisePaddedConfig>(
      "noise_padded", "rows of an image, then steps of noise that all samples share",
      [](const NoisePaddedConfig& config, const TaskContext& context) {
        return std::make_unique<NoisePaddedTask>(config, context);
      });
}

std::vector<data::DataSource> sequence_data_sources() {
  return {data::mnist_source(), data::fashion_mnist_source(), data::cifar10_source(),
          data::imdb_source(), data::text8_source()};
}

}  // namespace tessera
