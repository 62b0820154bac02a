#include "tessera/systems/sequence_images.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "tessera/core/error.h"
#include "tessera/data/images.h"
#include "tessera/data/permutation.h"

namespace tessera {
namespace {

constexpr double kMostImages = 1e6;

at::Tensor to_tensor(std::span<const int64_t> values) {
  const at::Tensor tensor = at::empty({static_cast<int64_t>(values.size())}, at::kLong);
  std::ranges::copy(values, tensor.mutable_data_ptr<int64_t>());
  return tensor;
}

PackedImages choose(const data::LabelledImages& set, const at::Tensor& index) {
  return {set.images.index_select(0, index), set.labels.index_select(0, index)};
}

void need(int64_t wanted, int64_t there, const ImageSplitConfig& config, const char* what) {
  if (wanted <= there) return;
  fail<InvalidArgument>(
      {.where = "task",
       .rule = config.source + " has " + std::to_string(there) + " images for " + what,
       .got = std::to_string(wanted),
       .next = "Ask for fewer; 0 takes all that are left.",
       .id = "T-SEQ-01"});
}

}  // namespace

void ImageSplitConfig::fields(FieldList& list) {
  list("source", source,
       {.help = "where the images come from; subset ships with the library", .one_of = sources()});
  list("train_size", train_size,
       {.help = "training images; 0: all that validation leaves", .min = 0, .max = kMostImages});
  list("valid_size", valid_size,
       {.help = "validation images, taken from the training file", .min = 0, .max = kMostImages});
  list("test_size", test_size,
       {.help = "test images, the first of the test file; 0: all", .min = 0, .max = kMostImages});
  list("split", split,
       {.help = "which training images validate: random (by split_seed), the last of the file",
        .one_of = {"random", "last"}});
  list("split_seed", split_seed, {.help = "seed of the random split", .min = 0, .max = 4294967295});
}

std::array<PackedImages, 3> split_images(const ImageSplitConfig& config,
                                         const std::string& data_root,
                                         const std::vector<int64_t>& order) {
  const data::ImageData images = data::load_images(config.source, data_root);
  const int64_t there = images.train.size();
  need(config.valid_size, there - 1, config, "validation (one is left to train)");
  const int64_t train_size = config.train_size > 0 ? config.train_size : there - config.valid_size;
  need(train_size + config.valid_size, there, config, "training and validation");
  need(config.test_size, images.test.size(), config, "test");

  std::vector<int64_t> all = order.empty() ? data::named_permutation("none", there) : order;
  if (static_cast<int64_t>(all.size()) != there) {
    fail<InvalidArgument>(
        {.where = "task",
         .rule = "the order of the training images is one of " + std::to_string(all.size()),
         .got = config.source + " with " + std::to_string(there),
         .next = "permutation = \"lmu2019\" needs the whole of MNIST.",
         .id = "T-SEQ-02"});
  }
  if (config.split == "random" && config.valid_size > 0) {
    const auto shuffle = data::torch_permutation(static_cast<uint64_t>(config.split_seed), there);
    std::vector<int64_t> shuffled;
    for (const int64_t i : shuffle) shuffled.push_back(all[static_cast<size_t>(i)]);
    all = std::move(shuffled);
  }
  const std::span<const int64_t> list(all);
  const auto size = [](int64_t n) { return static_cast<size_t>(n); };
  // Validation comes from the end, so that a smaller train_size leaves it as it is.
  return {choose(images.train, to_tensor(list.first(size(train_size)))),
          choose(images.train, to_tensor(list.last(size(config.valid_size)))),
          config.test_size == 0
              ? PackedImages{images.test.images, images.test.labels}
              : PackedImages{images.test.images.narrow(0, 0, config.test_size).clone(),
                             images.test.labels.narrow(0, 0, config.test_size).clone()}};
}

TensorMap ImageTask::batch(std::span<const int64_t> examples, BatchContext& context) const {
  const PackedImages& images = of(context.split);
  const at::Tensor index = to_tensor(examples);
  return {{"x", sequence(images.pixels.index_select(0, index))},
          {"y", images.labels.index_select(0, index)}};
}

at::Tensor ImageTask::loss(const TensorMap& outputs, const TensorMap& batch) const {
  return at::cross_entropy_loss(outputs.at("logits"), batch.at("y"));
}

void ImageTask::measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const {
  const at::Tensor& y = batch.at("y");
  const auto weight = static_cast<double>(y.size(0));
  const double right = outputs.at("logits").argmax(1).eq(y).sum().item<double>();
  tally.add("loss", loss(outputs, batch).item<double>(), weight);
  tally.add("accuracy", 100.0 * right / weight, weight);
}

}  // namespace tessera
