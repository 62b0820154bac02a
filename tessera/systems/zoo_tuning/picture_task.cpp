#include "tessera/systems/zoo_tuning/picture_task.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <utility>

#include "tessera/core/error.h"
#include "tessera/data/augment.h"
#include "tessera/data/picture_splits.h"
#include "tessera/data/pictures.h"
#include "tessera/systems/zoo_tuning/classification.h"

namespace tessera::zoo_tuning {
namespace {

constexpr int64_t kLargestSide = 4096;
constexpr double kValidShare = 0.1;
/// Of ImageNet's pictures in [0, 1], the input of every published source.
constexpr std::array<double, 3> kMean = {0.485, 0.456, 0.406};
constexpr std::array<double, 3> kDeviation = {0.229, 0.224, 0.225};

struct PicturesConfig final : Config {
  std::optional<std::string> folder;
  std::optional<std::string> train_list, valid_list, test_list;
  std::optional<double> valid_share;
  int64_t split_seed = 0;
  int64_t resize = 256;
  int64_t crop = 224;
  bool ten_crops = true;
  int64_t cache_mib = 1024;

  void fields(FieldList& list) override {
    list("folder", folder,
         {.help = "train, val and test, each with a folder of PNG or JPEG pictures for each class, "
                  "or the root of the lists; a relative path lies in the data root"});
    list("train_list", train_list,
         {.help = "a file of lines \"path label\" in place of the folder train; paths lie below "
                  "the root, the file in it",
          .authors_name = "data_list_file"});
    list("valid_list", valid_list, {.help = "likewise of val"});
    list("test_list", test_list, {.help = "likewise of test"});
    list("valid_share", valid_share,
         {.help = "of each class's training pictures validates where there is no val; none: 0.1; "
                  "with 0 the last weights are the result, as the authors'",
          .min = 0,
          .max = 0.9});
    list("split_seed", split_seed, {.help = "which pictures validate", .min = 0});
    list("resize", resize,
         {.help = "rows and columns that every picture is resized to first",
          .unit = "pixels",
          .min = 1,
          .max = kLargestSide,
          .authors_name = "resize_size"});
    list("crop", crop,
         {.help = "rows and columns that the model sees",
          .unit = "pixels",
          .min = 1,
          .max = kLargestSide,
          .authors_name = "crop_size"});
    list("ten_crops", ten_crops,
         {.help = "test by the sum of the logits of ten crops, at ten times the cost; false: by "
                  "the middle"});
    list("cache_mib", cache_mib,
         {.help = "resized pictures kept in memory; the rest is read anew in every epoch",
          .unit = "MiB",
          .min = 0});
  }

  void validate() const override {
    if (train_list.has_value() != test_list.has_value() || (valid_list && !train_list)) {
      fail<InvalidArgument>({.where = "task",
                             .rule = "lists are task.train_list and task.test_list, and beside "
                                     "them task.valid_list",
                             .got = "some of them",
                             .id = "T-ZOO-43"});
    }
    if (crop > resize) {
      fail<InvalidArgument>({.where = "task",
                             .rule = "task.crop is at most task.resize, " + std::to_string(resize),
                             .got = std::to_string(crop),
                             .id = "T-ZOO-44"});
    }
  }
};

data::PictureSplits find_pictures(const PicturesConfig& config, const TaskContext& context) {
  if (!config.folder) {
    fail<InvalidArgument>({.where = "task",
                           .rule = "task.folder is the folder of the pictures",
                           .got = "none",
                           .next = "Give --set task.folder=FOLDER.",
                           .id = "T-ZOO-45"});
  }
  const std::string root = (std::filesystem::path(context.data_root) / *config.folder).string();
  data::PictureSplits splits = config.train_list
                                   ? data::picture_lists(root, {.train = *config.train_list,
                                                                .valid = config.valid_list,
                                                                .test = *config.test_list})
                                   : data::picture_folders(root);
  if (splits.valid.empty()) {
    data::hold_out(splits, config.valid_share.value_or(kValidShare),
                   static_cast<uint64_t>(config.split_seed));
  } else if (config.valid_share.value_or(0) > 0) {
    fail<InvalidArgument>({.where = "task",
                           .rule = "training pictures validate where there are no others",
                           .got = "task.valid_share and pictures for validation in " + root,
                           .next = "Leave task.valid_share out.",
                           .id = "T-ZOO-46"});
  }
  return splits;
}

class PictureTask final : public Classification {
 public:
  PictureTask(const PicturesConfig& config, const TaskContext& context)
      : config_(config),
        last_(std::max<int64_t>(config.resize - config.crop - 1, 0)),
        dtype_(context.dtype) {
    data::PictureSplits splits = find_pictures(config, context);
    num_classes_ = static_cast<int64_t>(splits.class_names.size());
    const data::ImageFit fit{
        .kind = data::ImageFit::Kind::kCubic, .height = config.resize, .width = config.resize};
    const auto spare = std::make_shared<std::atomic<int64_t>>(config.cache_mib << 20);
    splits_ = {data::Pictures(std::move(splits.train), fit, spare),
               data::Pictures(std::move(splits.valid), fit, spare),
               data::Pictures(std::move(splits.test), fit, spare)};
  }

  int64_t size(Split split) const override { return of(split).size(); }

  TensorMap batch(std::span<const int64_t> examples, BatchContext& context) const override {
    const data::Pictures& set = of(context.split);
    const auto count = static_cast<int64_t>(examples.size());
    const at::Tensor labels = at::empty({count}, at::kLong);
    for (int64_t i = 0; i < count; ++i) {
      labels.mutable_data_ptr<int64_t>()[i] = set.label(examples[static_cast<size_t>(i)]);
    }
    at::Tensor bytes;
    if (context.split == Split::kTrain) {
      const std::vector<uint64_t> seeds = data::draw_seeds(context.generator, count);
      bytes = gather(count, config_.crop, [&](size_t i) {
        return data::random_resized_crop(set.read(examples[i]), config_.crop, seeds[i]);
      });
      bytes = data::augment(bytes, {.flip = true}, seeds);
    } else {
      bytes = gather(count, config_.resize, [&](size_t i) { return set.read(examples[i]); });
      const bool is_ten = context.split == Split::kTest && config_.ten_crops;
      bytes = is_ten ? data::ten_crops(bytes, config_.crop, last_).flatten(0, 1)
                     : data::middle_crop(bytes, config_.crop, last_);
    }
    return {{"x", normalised(bytes)}, {"labels", labels}};
  }

 protected:
  int64_t num_classes() const override { return num_classes_; }

 private:
  const data::Pictures& of(Split split) const { return splits_[static_cast<size_t>(split)]; }

  /// The pictures 0 … count − 1 of `side` × `side`, a picture a thread's work.
  static at::Tensor gather(int64_t count, int64_t side,
                           const std::function<at::Tensor(size_t)>& picture) {
    const at::Tensor all = at::empty({count, 3, side, side}, at::kByte);
    at::parallel_for(0, count, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) all[i].copy_(picture(static_cast<size_t>(i)));
    });
    return all;
  }

  at::Tensor normalised(const at::Tensor& bytes) const {
    const auto per_channel = [&](const std::array<double, 3>& values) {
      return at::tensor(values, dtype_).view({1, 3, 1, 1});
    };
    return bytes.to(dtype_).div_(255).sub_(per_channel(kMean)).div_(per_channel(kDeviation));
  }

  PicturesConfig config_;
  int64_t last_;
  at::ScalarType dtype_;
  int64_t num_classes_;
  std::array<data::Pictures, 3> splits_;
};

}  // namespace

TaskFactory pictures_task() {
  return task_factory<PicturesConfig>(
      "pictures", "a folder of pictures, or lists of them, by the paper's recipe",
      [](const PicturesConfig& config, const TaskContext& context) {
        return std::make_unique<PictureTask>(config, context);
      });
}

}  // namespace tessera::zoo_tuning
