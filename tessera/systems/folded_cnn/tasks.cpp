#include "tessera/systems/folded_cnn/tasks.h"

#include <ATen/ATen.h>

#include <array>
#include <filesystem>

#include "tessera/core/error.h"
#include "tessera/data/augment.h"
#include "tessera/data/images.h"
#include "tessera/data/picture_splits.h"
#include "tessera/data/pictures.h"
#include "tessera/data/reference_random.h"
#include "tessera/io/tensor_file.h"
#include "tessera/systems/folded_cnn/curriculum.h"
#include "tessera/systems/folded_cnn/digits.h"
#include "tessera/systems/folded_cnn/model.h"

namespace tessera::folded_cnn {
namespace {

constexpr uint32_t kShuffleSeed = 19;  // the authors'
constexpr int64_t kCropPadding = 4;
constexpr int64_t kLargestSide = 4096;
constexpr std::array<int64_t, 4> kTops = {1, 2, 5, 10};

struct ClassificationConfig final : Config {
  std::string dataset = "digits";
  std::optional<std::string> folder;
  int64_t image_height = 32, image_width = 32;
  bool nearest = false;
  std::string labels = "classes";
  int64_t fold = 1;
  int64_t train_size = 0;
  int64_t valid_size = 0;
  int64_t test_size = 0;
  bool augment = false;
  bool shuffle_held_out = true;
  bool use_curriculum = false;
  Json curriculum = Json::object();
  std::optional<std::string> teacher;
  Json teacher_model = {{"arch", "folded_resnet18"}};

  void fields(FieldList& list) override {
    list("dataset", dataset,
         {.help = "the images; digits are generated, folder reads pictures",
          .one_of = {"digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "folder"}});
    list("folder", folder,
         {.help = "of dataset folder: train, val and test, each with a folder of PNG or JPEG "
                  "pictures for each class; a relative path lies in the data root"});
    list("image_height", image_height,
         {.help = "pictures of a folder are resized to it", .min = 1, .max = kLargestSide});
    list("image_width", image_width, {.help = "likewise", .min = 1, .max = kLargestSide});
    list("nearest", nearest, {.help = "resize to the nearest pixel, as NoScope's frames are"});
    list("labels", labels,
         {.help = "all classes, or classes 0, 2, 4, 6 (Fashion-MNIST's tops) against the rest",
          .one_of = {"classes", "tops_against_rest"}});
    list("fold", fold,
         {.help = "the model's fold: every split is lowered to a multiple of it", .min = 1});
    list("train_size", train_size,
         {.help = "first training images; 0 for all (digits: 4000)", .min = 0});
    list("valid_size", valid_size,
         {.help = "images after them, or the last of the shuffled ones of CIFAR, for validation",
          .min = 0});
    list("test_size", test_size, {.help = "first test images; 0 for all (digits: 2000)", .min = 0});
    list("augment", augment, {.help = "random crop with a padding of 4, and horizontal flip"});
    list("shuffle_held_out", shuffle_held_out,
         {.help = "shuffle validation and test once: groups of one class would make accuracy mean "
                  "nothing"});
    list("use_curriculum", use_curriculum, {.help = "begin with few classes, add more by epoch"});
    list("curriculum", curriculum,
         {.help = "init_classes and steps [[gap, add], …]; what is missing is the published rule's",
          .authors_name = "init_num_classes, steps"});
    list("teacher", teacher,
         {.help = "weights whose logits are the target (safetensors); none trains on classes"});
    list("teacher_model", teacher_model, {.help = "[model] keys of the teacher"});
  }

  void validate() const override {
    if ((dataset == "folder") != folder.has_value()) {
      fail<InvalidArgument>({.where = "task",
                             .rule = "dataset = \"folder\" and task.folder come together",
                             .got = folder ? "task.folder with " + dataset : "no task.folder",
                             .id = "T-FCNN-43"});
    }
    if (use_curriculum && teacher) {
      fail<InvalidArgument>({.where = "task",
                             .rule = "a curriculum or a teacher, not both",
                             .got = "use_curriculum and teacher",
                             .id = "T-FCNN-40"});
    }
  }
};

struct Splits {
  data::LabelledImages train, valid, test;
};

bool is_cifar(const ClassificationConfig& config) {
  return config.dataset == "cifar10" || config.dataset == "cifar100";
}

data::LabelledImages range(const data::LabelledImages& set, int64_t begin, int64_t count) {
  const int64_t first = std::min(begin, set.size());
  const int64_t n = std::min(count, set.size() - first);
  return {set.images.narrow(0, first, n), set.labels.narrow(0, first, n), set.num_classes};
}

/// The pictures of the folders train, val (which may be missing) and test. Held-out ones lie class
/// by class, so that the task shuffles them before it groups them.
Splits load_folder(const ClassificationConfig& config, const TaskContext& context) {
  const std::filesystem::path root = std::filesystem::path(context.data_root) / *config.folder;
  const data::ImageFit fit{
      .kind = config.nearest ? data::ImageFit::Kind::kNearest : data::ImageFit::Kind::kStretch,
      .height = config.image_height,
      .width = config.image_width};
  const data::PictureSplits files = data::picture_folders(root.string());
  const auto load = [&](std::span<const data::PictureFile> pictures, int64_t size) {
    if (size > 0) pictures = pictures.first(std::min(pictures.size(), static_cast<size_t>(size)));
    return data::load_pictures(pictures, static_cast<int64_t>(files.class_names.size()), fit);
  };
  return {.train = load(files.train, config.train_size),
          .valid = load(files.valid, config.valid_size),
          .test = load(files.test, config.test_size)};
}

Splits load(const ClassificationConfig& config, const TaskContext& context) {
  if (config.dataset == "digits") {
    const int64_t train = config.train_size > 0 ? config.train_size : 4000;
    const int64_t test = config.test_size > 0 ? config.test_size : 2000;
    // The numbers of the images keep the splits apart.
    constexpr int64_t kTest = 1 << 30, kValid = 1 << 29;
    return {.train = make_digits(train, 0),
            .valid = make_digits(config.valid_size, 0, kValid),
            .test = make_digits(test, 0, kTest)};
  }
  if (config.dataset == "folder") return load_folder(config, context);
  data::ImageData files = data::load_images(config.dataset, context.data_root);
  Splits splits;
  data::LabelledImages all = std::move(files.train);
  int64_t valid_size = config.valid_size;
  if (is_cifar(config) && valid_size > 0) {
    // As the authors: validation is the end of a shuffled order, made a multiple of the fold.
    valid_size += config.fold - valid_size % config.fold;
    data::NumpyRandom random(kShuffleSeed);
    all = all.select(at::tensor(random.permutation(all.size()), at::kLong));
  }
  const int64_t most = std::max<int64_t>(all.size() - valid_size, 0);
  const int64_t train_size = config.train_size > 0 ? std::min(config.train_size, most) : most;
  splits.train = range(all, 0, train_size);
  splits.valid = range(all, is_cifar(config) ? most : train_size, valid_size);
  splits.test = std::move(files.test);
  if (config.test_size > 0) splits.test = splits.test.first(config.test_size);
  return splits;
}

void against_rest(data::LabelledImages& set) {
  at::Tensor is_top = at::zeros_like(set.labels, at::kBool);
  for (const int64_t top : {0, 2, 4, 6}) is_top |= set.labels.eq(top);
  set.labels = is_top.to(at::kLong);
  set.num_classes = 2;
}

class ClassificationTask final : public Task {
 public:
  ClassificationTask(const ClassificationConfig& config, const TaskContext& context)
      : config_(config), dtype_(context.dtype) {
    Splits splits = load(config, context);
    splits_ = {std::move(splits.train), std::move(splits.valid), std::move(splits.test)};
    for (const Split split : {Split::kTrain, Split::kValid, Split::kTest}) prepare(split);
    in_use_.resize(splits_.size());
    if (config.use_curriculum) {
      rules_ = CurriculumRules::of(config.curriculum,
                                   CurriculumRules::published(splits_[0].num_classes, config.fold));
    }
    begin_epoch(0);
    if (config.teacher) ask_teacher(*config.teacher);
  }

  int64_t size(Split split) const override { return of(split).size(); }

  void begin_epoch(int64_t epoch) override {
    if (!rules_) return;
    const int64_t classes = classes_in_use(*rules_, splits_[0].num_classes, epoch);
    if (classes == classes_) return;
    classes_ = classes;
    for (size_t i = 0; i < splits_.size(); ++i) {
      const at::Tensor labels = splits_[i].labels.contiguous();
      in_use_[i] = samples_in_use(
          {labels.const_data_ptr<int64_t>(), static_cast<size_t>(labels.numel())}, classes);
    }
  }

  TensorMap batch(std::span<const int64_t> examples, BatchContext& context) const override {
    const data::LabelledImages& set = of(context.split);
    const at::Tensor index = index_of(examples, context.split);
    at::Tensor bytes = set.images.index_select(0, index);
    if (config_.augment && context.split == Split::kTrain) {
      bytes = data::augment(bytes, {.crop_padding = kCropPadding, .flip = true}, context.generator);
    }
    const at::Tensor labels = set.labels.index_select(0, index);
    const bool is_taught = context.split == Split::kTrain && teacher_logits_.defined();
    return {{"images", normalised(bytes)},
            {"target", is_taught ? teacher_logits_.index_select(0, index) : labels},
            {"labels", labels}};
  }

  at::Tensor loss(const TensorMap& outputs, const TensorMap& batch) const override {
    // The model computes the loss of the images that it keeps.
    const char* name = batch.at("target").is_floating_point() ? "mse_logits" : "cross_entropy";
    return outputs.at(name);
  }

  void measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const override {
    const at::Tensor& logits = outputs.at("logits");
    const at::Tensor labels = batch.at("labels").narrow(0, 0, logits.size(0));
    const auto count = static_cast<double>(logits.size(0));
    tally.add("loss", loss(outputs, batch).item<double>(), count);
    const std::vector<int64_t> hits = top_hits(logits, labels, kTops);
    for (size_t i = 0; i < kTops.size(); ++i) {
      tally.add("top" + std::to_string(kTops[i]), 100 * static_cast<double>(hits[i]) / count,
                count);
    }
  }

  std::string selection_metric() const override { return "top1"; }
  bool larger_is_better() const override { return true; }

 private:
  const data::LabelledImages& of(Split split) const { return splits_[static_cast<size_t>(split)]; }

  void prepare(Split split) {
    data::LabelledImages& set = splits_[static_cast<size_t>(split)];
    if (config_.labels == "tops_against_rest") against_rest(set);
    if (split != Split::kTrain && config_.shuffle_held_out) {
      data::NumpyRandom random(kShuffleSeed);
      set = set.select(at::tensor(random.permutation(set.size()), at::kLong));
    }
    set = set.first(set.size() / config_.fold * config_.fold);
    if (split == Split::kTrain && set.size() == 0) {
      fail<InvalidArgument>({.where = "task",
                             .rule = "there are at least fold training images",
                             .got = "0",
                             .next = "Raise task.train_size.",
                             .id = "T-FCNN-41"});
    }
  }

  /// Under a curriculum, a pass over all examples visits those in use several times.
  at::Tensor index_of(std::span<const int64_t> examples, Split split) const {
    const std::vector<int64_t>& in_use = in_use_[static_cast<size_t>(split)];
    const at::Tensor index = at::empty({static_cast<int64_t>(examples.size())}, at::kLong);
    int64_t* out = index.mutable_data_ptr<int64_t>();
    for (size_t i = 0; i < examples.size(); ++i) {
      out[i] =
          in_use.empty() ? examples[i] : in_use[static_cast<size_t>(examples[i]) % in_use.size()];
    }
    return index;
  }

  at::Tensor normalised(const at::Tensor& bytes) const {
    const at::Tensor images = bytes.to(dtype_).div_(255);
    if (!is_cifar(config_)) return images;
    const auto per_channel = [&](std::array<double, 3> values) {
      return at::tensor(values, dtype_).view({1, 3, 1, 1});
    };
    return images.sub_(per_channel({0.4914, 0.4822, 0.4465}))
        .div_(per_channel({0.2023, 0.1994, 0.2010}));
  }

  /// Logits of the training images without augmentation, once.
  void ask_teacher(const std::string& path) {
    const FoldedCnnConfig config = FoldedCnnConfig::of(config_.teacher_model);
    const auto teacher = make_model(config);
    load_weights(*teacher, from_authors(io::read_tensor_file(path, io::Storage::kCopied).tensors));
    teacher->to(dtype_);
    teacher->eval();
    const at::NoGradGuard no_grad;
    constexpr int64_t kBatch = 240;
    std::vector<at::Tensor> logits;
    const at::Tensor& images = of(Split::kTrain).images;
    for (const at::Tensor& bytes : images.split(kBatch)) {
      logits.push_back(teacher->forward(normalised(bytes), Remainder::kPad).logits.clone());
    }
    teacher_logits_ = at::cat(logits);
    if (teacher_logits_.size(1) != of(Split::kTrain).num_classes) {
      fail<InvalidArgument>({.where = "task",
                             .rule = "a teacher has the " +
                                     std::to_string(of(Split::kTrain).num_classes) +
                                     " classes of the data",
                             .got = std::to_string(teacher_logits_.size(1)),
                             .next = "Set task.teacher_model.num_classes.",
                             .id = "T-FCNN-42"});
    }
  }

  ClassificationConfig config_;
  at::ScalarType dtype_;
  std::array<data::LabelledImages, 3> splits_;
  std::optional<CurriculumRules> rules_;
  int64_t classes_ = 0;
  std::vector<std::vector<int64_t>> in_use_;  ///< per split; empty: all
  at::Tensor teacher_logits_;
};

}  // namespace

std::vector<TaskFactory> tasks() {
  return {task_factory<ClassificationConfig>(
      "classification", "images of a data set, for a folded network",
      [](const ClassificationConfig& config, const TaskContext& context) {
        return std::make_unique<ClassificationTask>(config, context);
      })};
}

}  // namespace tessera::folded_cnn
