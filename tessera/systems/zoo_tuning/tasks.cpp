#include "tessera/systems/zoo_tuning/tasks.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "tessera/core/error.h"
#include "tessera/data/images.h"
#include "tessera/systems/zoo_tuning/classification.h"
#include "tessera/systems/zoo_tuning/picture_task.h"

namespace tessera::zoo_tuning {
namespace {

constexpr int64_t kTurns = 4;
constexpr int64_t kCropPadding = 2;

struct TransferConfig final : Config {
  std::string dataset = "subset";
  std::string labels = "classes";
  std::vector<int64_t> classes;
  std::string change = "none";
  int64_t train_per_class = 0;
  int64_t valid_per_class = 0;
  int64_t test_size = 0;
  int64_t split_seed = 0;
  bool augment = false;

  void fields(FieldList& list) override {
    list("dataset", dataset,
         {.help = "the images; subset is 3,000 of MNIST that come with the library",
          .one_of = data::image_set_names()});
    list("labels", labels,
         {.help = "the class, or by how many quarters the image was turned",
          .one_of = {"classes", "rotation"}});
    list("classes", classes, {.help = "the classes that take part; empty: all", .min = 0});
    list("change", change,
         {.help = "what is done to each image",
          .one_of = {"none", "inverted", "blurred", "grey", "mirrored"}});
    list("train_per_class", train_per_class,
         {.help = "labelled images of each class; 0: all but those of validation", .min = 0});
    list("valid_per_class", valid_per_class,
         {.help = "training images of each class that validate instead", .min = 0});
    list("test_size", test_size, {.help = "first test images of the classes; 0: all", .min = 0});
    list("split_seed", split_seed, {.help = "which images are labelled", .min = 0});
    list("augment", augment, {.help = "random shifts of up to two pixels in training"});
  }
};

struct Images {
  at::Tensor pixels;  ///< (N, C, H, W) uint8
  at::Tensor labels;  ///< (N) int64
};

at::Tensor changed(const at::Tensor& pixels, const std::string& change) {
  if (change == "inverted") return 255 - pixels;
  if (change == "mirrored") return pixels.flip({3});
  if (change == "grey") {
    return pixels.to(at::kFloat).mean(1, /*keepdim=*/true).round().to(at::kByte).expand_as(pixels);
  }
  if (change == "blurred") {
    at::Tensor soft = pixels.to(at::kFloat);
    for (int i = 0; i < 2; ++i) soft = at::avg_pool2d(soft, 3, 1, 1);
    return soft.round().to(at::kByte);
  }
  return pixels;
}

/// Rows of each class of the list, in the order of `order`.
std::vector<std::vector<int64_t>> rows_by_class(const at::Tensor& labels,
                                                const std::vector<int64_t>& classes,
                                                const at::Tensor& order) {
  std::vector<std::vector<int64_t>> rows(classes.size());
  const at::Tensor flat = labels.contiguous();
  const auto* label = flat.const_data_ptr<int64_t>();
  const auto* index = order.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < order.numel(); ++i) {
    const auto found = std::ranges::find(classes, label[index[i]]);
    if (found == classes.end()) continue;
    rows[static_cast<size_t>(found - classes.begin())].push_back(index[i]);
  }
  return rows;
}

class TransferTask final : public Classification {
 public:
  TransferTask(const TransferConfig& config, const TaskContext& context)
      : config_(config), dtype_(context.dtype) {
    const data::ImageData all = data::load_images(config.dataset, context.data_root);
    std::vector<int64_t> classes = config.classes;
    const auto all_classes = static_cast<int64_t>(all.class_names.size());
    if (classes.empty()) {
      classes.resize(all.class_names.size());
      std::iota(classes.begin(), classes.end(), 0);
    }
    for (const int64_t label : classes) {
      if (label < all_classes) continue;
      fail<InvalidArgument>(
          {.where = "task",
           .rule = "classes of " + config.dataset + " are below " + std::to_string(all_classes),
           .got = std::to_string(label),
           .id = "T-ZOO-40"});
    }
    at::Generator random = at::detail::createCPUGenerator(static_cast<uint64_t>(config.split_seed));
    const auto by_class =
        rows_by_class(all.train.labels, classes, at::randperm(all.train.size(), random, at::kLong));
    std::vector<int64_t> train, valid;
    for (const std::vector<int64_t>& rows : by_class) {
      const auto count = static_cast<int64_t>(rows.size());
      const int64_t held = config.valid_per_class;
      const int64_t used =
          config.train_per_class > 0 ? config.train_per_class : std::max<int64_t>(count - held, 0);
      if (used < 1 || used + held > count) {
        fail<InvalidArgument>({.where = "task",
                               .rule = "a class has images to train and to validate on",
                               .got = std::to_string(count) + " for " + std::to_string(used) +
                                      " and " + std::to_string(held),
                               .next = "Lower task.train_per_class or task.valid_per_class.",
                               .id = "T-ZOO-41"});
      }
      train.insert(train.end(), rows.begin(), rows.begin() + used);
      valid.insert(valid.end(), rows.begin() + used, rows.begin() + used + held);
    }
    std::vector<int64_t> test;
    for (const auto& rows :
         rows_by_class(all.test.labels, classes, at::arange(all.test.size(), at::kLong))) {
      test.insert(test.end(), rows.begin(), rows.end());
    }
    // In the file's order, so that the first ones are of every class.
    std::ranges::sort(test);
    const auto test_size = static_cast<size_t>(config.test_size);
    if (test_size > 0 && test_size < test.size()) test.resize(test_size);
    num_classes_ = config.labels == "rotation" ? kTurns : static_cast<int64_t>(classes.size());
    splits_ = {take(all.train, train, classes), take(all.train, valid, classes),
               take(all.test, test, classes)};
  }

  int64_t size(Split split) const override { return of(split).labels.size(0); }

  TensorMap batch(std::span<const int64_t> examples, BatchContext& context) const override {
    const Images& set = of(context.split);
    const at::Tensor index =
        at::tensor(at::ArrayRef<int64_t>(examples.data(), examples.size()), at::kLong);
    at::Tensor pixels = set.pixels.index_select(0, index);
    if (config_.augment && context.split == Split::kTrain) {
      pixels = shifted(pixels, context.generator);
    }
    return {{"x", pixels.to(dtype_).div_(127.5).sub_(1)},
            {"labels", set.labels.index_select(0, index)}};
  }

 protected:
  int64_t num_classes() const override { return num_classes_; }

 private:
  const Images& of(Split split) const { return splits_[static_cast<size_t>(split)]; }

  Images take(const data::LabelledImages& set, const std::vector<int64_t>& rows,
              const std::vector<int64_t>& classes) const {
    const at::Tensor index = at::tensor(rows, at::kLong);
    Images images{changed(set.images.index_select(0, index), config_.change).contiguous(),
                  set.labels.index_select(0, index)};
    if (config_.labels == "rotation") {
      std::vector<at::Tensor> turned;
      for (int64_t k = 0; k < kTurns; ++k) turned.push_back(images.pixels.rot90(k, {2, 3}));
      // An image's four turns follow each other.
      images.pixels = at::stack(turned, 1).flatten(0, 1).contiguous();
      images.labels = at::arange(kTurns, at::kLong).repeat({index.numel()});
      return images;
    }
    at::Tensor places = at::zeros({1 + *std::ranges::max_element(classes)}, at::kLong);
    for (size_t i = 0; i < classes.size(); ++i) places[classes[i]].fill_(static_cast<int64_t>(i));
    images.labels = places.index_select(0, images.labels);
    return images;
  }

  static at::Tensor shifted(const at::Tensor& pixels, at::Generator generator) {
    const int64_t count = pixels.size(0), height = pixels.size(2), width = pixels.size(3);
    const at::Tensor padded =
        at::constant_pad_nd(pixels, {kCropPadding, kCropPadding, kCropPadding, kCropPadding}, 0);
    const at::Tensor offsets = at::randint(2 * kCropPadding + 1, {count, 2}, generator, at::kLong);
    const auto* offset = offsets.const_data_ptr<int64_t>();
    const at::Tensor out = at::empty_like(pixels);
    for (int64_t i = 0; i < count; ++i) {
      out[i].copy_(padded[i].narrow(1, offset[2 * i], height).narrow(2, offset[2 * i + 1], width));
    }
    return out;
  }

  TransferConfig config_;
  at::ScalarType dtype_;
  std::array<Images, 3> splits_;
  int64_t num_classes_;
};

}  // namespace

std::vector<TaskFactory> tasks() {
  return {task_factory<TransferConfig>(
              "transfer", "classes of a data set, changed or turned, with few labels",
              [](const TransferConfig& config, const TaskContext& context) {
                return std::make_unique<TransferTask>(config, context);
              }),
          pictures_task()};
}

}  // namespace tessera::zoo_tuning
