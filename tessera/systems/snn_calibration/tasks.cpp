#include "tessera/systems/snn_calibration/tasks.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <array>

#include "tessera/core/error.h"
#include "tessera/data/augment.h"
#include "tessera/data/images.h"

namespace tessera::snn_calibration {
namespace {

struct ClassificationConfig final : Config {
  std::string dataset = "subset";
  int64_t train_size = 0;
  int64_t valid_size = 0;
  int64_t test_size = 0;
  int64_t image_size = 32;
  int64_t channels = 3;
  bool augment = false;
  bool auto_augment = false;

  void fields(FieldList& list) override {
    list("dataset", dataset,
         {.help = "the images; subset ships with the library", .one_of = data::image_set_names()});
    list("train_size", train_size, {.help = "first training images; 0 for all", .min = 0});
    list("valid_size", valid_size, {.help = "training images after them, to validate", .min = 0});
    list("test_size", test_size, {.help = "first test images; 0 for all", .min = 0});
    list("image_size", image_size,
         {.help = "smaller images are padded with black to this", .unit = "pixels", .min = 1});
    list("channels", channels, {.help = "grey images are repeated to this", .min = 1});
    list("augment", augment,
         {.help = "random crop with a padding of 4, horizontal flip, a black square of 16x16"});
    list("auto_augment", auto_augment,
         {.help = "between flip and square: a sub-policy of AutoAugment's for CIFAR-10"});
  }
};

struct Normalisation {
  std::vector<double> mean, deviation;
};

Normalisation normalisation_of(const std::string& dataset) {
  if (dataset == "fashion_mnist") return {{0.2860}, {0.3530}};
  if (dataset == "cifar10") return {{0.4914, 0.4822, 0.4465}, {0.2023, 0.1994, 0.2010}};
  return {{0.1307}, {0.3081}};
}

class ClassificationTask final : public Task {
 public:
  ClassificationTask(const ClassificationConfig& config, const TaskContext& context)
      : config_(config), dtype_(context.dtype) {
    const data::ImageData all = data::load_images(config.dataset, context.data_root);
    const int64_t most = std::max<int64_t>(all.train.size() - config.valid_size, 0);
    const int64_t train = config.train_size > 0 ? std::min(config.train_size, most) : most;
    splits_[0] = part(all.train, 0, train);
    splits_[1] = part(all.train, train, config.valid_size);
    splits_[2] = part(all.test, 0, config.test_size > 0 ? config.test_size : all.test.size());
    const at::Tensor& images = splits_[0].images;
    const bool fits = train > 0 && images.size(2) <= config.image_size &&
                      images.size(3) <= config.image_size &&
                      (images.size(1) == config.channels || images.size(1) == 1);
    if (!fits) {
      fail<InvalidArgument>(
          {.where = "task",
           .rule = "there are training images, of at most " + std::to_string(config.image_size) +
                   " pixels a side and 1 or " + std::to_string(config.channels) + " channels",
           .got = c10::str(images.sizes()),
           .next = "Set task.image_size and task.channels.",
           .id = "T-SNN-50"});
    }
    if (config.auto_augment && images.size(1) != 3) {
      fail<InvalidArgument>({.where = "task",
                             .rule = "task.auto_augment goes with images of three channels",
                             .got = config.dataset + " of " + std::to_string(images.size(1)),
                             .next = "Leave it out, or take cifar10.",
                             .id = "T-SNN-51"});
    }
  }

  int64_t size(Split split) const override { return of(split).size(); }

  TensorMap batch(std::span<const int64_t> examples, BatchContext& context) const override {
    const data::LabelledImages& set = of(context.split);
    const at::Tensor index =
        at::tensor(std::vector<int64_t>(examples.begin(), examples.end()), at::kLong);
    at::Tensor bytes = padded(set.images.index_select(0, index));
    if (context.split == Split::kTrain) {
      bytes = data::augment(bytes, augmentation(), context.generator);
    }
    return {{"x", normalised(bytes)}, {"target", set.labels.index_select(0, index)}};
  }

  at::Tensor loss(const TensorMap& outputs, const TensorMap& batch) const override {
    return at::cross_entropy_loss(outputs.at("logits"), batch.at("target"));
  }

  void measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const override {
    const at::Tensor& logits = outputs.at("logits");
    const auto count = static_cast<double>(logits.size(0));
    tally.add("loss", loss(outputs, batch).item<double>(), count);
    const at::Tensor hits = logits.argmax(1).eq(batch.at("target")).sum();
    tally.add("top1", 100 * hits.item<double>() / count, count);
  }

  std::string selection_metric() const override { return "top1"; }
  bool larger_is_better() const override { return true; }

 private:
  const data::LabelledImages& of(Split split) const { return splits_[static_cast<size_t>(split)]; }

  static data::LabelledImages part(const data::LabelledImages& set, int64_t begin, int64_t count) {
    const int64_t first = std::min(begin, set.size());
    const int64_t n = std::min(count, set.size() - first);
    return {set.images.narrow(0, first, n), set.labels.narrow(0, first, n), set.num_classes};
  }

  data::Augmentation augmentation() const {
    data::Augmentation how{.auto_augment = config_.auto_augment};
    if (config_.augment) {
      how.crop_padding = 4;
      how.flip = true;
      how.cutout = 16;
    }
    return how;
  }

  at::Tensor padded(const at::Tensor& bytes) const {
    const int64_t rows = config_.image_size - bytes.size(2),
                  columns = config_.image_size - bytes.size(3);
    if (rows == 0 && columns == 0) return bytes;
    return at::constant_pad_nd(bytes,
                               {columns / 2, columns - columns / 2, rows / 2, rows - rows / 2}, 0);
  }

  at::Tensor normalised(const at::Tensor& bytes) const {
    const Normalisation rule = normalisation_of(config_.dataset);
    const auto per_channel = [&](const std::vector<double>& values) {
      return at::tensor(values, dtype_).view({1, -1, 1, 1});
    };
    const at::Tensor images =
        bytes.to(dtype_).div_(255).sub_(per_channel(rule.mean)).div_(per_channel(rule.deviation));
    return images.size(1) == config_.channels ? images : images.repeat({1, config_.channels, 1, 1});
  }

  ClassificationConfig config_;
  at::ScalarType dtype_;
  std::array<data::LabelledImages, 3> splits_;
};

}  // namespace

std::vector<TaskFactory> tasks() {
  return {task_factory<ClassificationConfig>(
      "classification", "images of a data set, for a network that is to spike",
      [](const ClassificationConfig& config, const TaskContext& context) {
        return std::make_unique<ClassificationTask>(config, context);
      })};
}

std::vector<at::Tensor> calibration_batches(const Task& task, int64_t count, int64_t size,
                                            uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  const at::Tensor order = at::randperm(task.size(Split::kTrain), generator, at::kLong);
  const int64_t* examples = order.const_data_ptr<int64_t>();
  BatchContext context{Split::kTrain, generator};
  std::vector<at::Tensor> batches;
  for (int64_t i = 0; i < count && (i + 1) * size <= order.numel(); ++i) {
    batches.push_back(
        task.batch({examples + i * size, static_cast<size_t>(size)}, context).at("x"));
  }
  return batches;
}

}  // namespace tessera::snn_calibration
