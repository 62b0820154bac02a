#include "tessera/systems/folded_cnn/tasks.h"

#include <gtest/gtest.h>

#include <fstream>
#include <numeric>

#include "tessera/io/file.h"
#include "tessera/io/temporary_folder.h"
#include "tessera/io/tensor_file.h"
#include "tessera/systems/folded_cnn/digits.h"
#include "tessera/systems/folded_cnn/test_inputs.h"

namespace tessera::folded_cnn {
namespace {

using testing::error_of;

std::unique_ptr<Task> make_task(const Json& values, const std::string& root = "") {
  const TaskFactory factory = tasks().front();
  const auto config = factory.config();
  read_config(*config, values, "task");
  return factory.make(*config, {.data_root = root, .dtype = at::kFloat});
}

TensorMap batch(const Task& task, Split split, int64_t count) {
  std::vector<int64_t> examples(static_cast<size_t>(count));
  std::iota(examples.begin(), examples.end(), 0);
  BatchContext context{split, at::detail::createCPUGenerator(1)};
  return task.batch(examples, context);
}

const Json kSmallDigits = {{"train_size", 50}, {"valid_size", 20}, {"test_size", 23}};

Json with(const Json& more) {
  Json values = kSmallDigits;
  values.update(more);
  return values;
}

TEST(Digits, are_the_same_however_many_are_made) {
  const data::LabelledImages few = make_digits(5, 0), many = make_digits(9, 0),
                             later = make_digits(4, 0, 5);
  EXPECT_TRUE(at::equal(many.images.narrow(0, 0, 5), few.images));
  EXPECT_TRUE(at::equal(many.images.narrow(0, 5, 4), later.images));
  EXPECT_FALSE(at::equal(few.images[0], few.images[1]));
}

TEST(ClassificationTask, splits_are_multiples_of_the_fold) {
  const auto task = make_task(with({{"fold", 3}}));
  EXPECT_EQ(task->size(Split::kTrain), 48);
  EXPECT_EQ(task->size(Split::kValid), 18);
  EXPECT_EQ(task->size(Split::kTest), 21);
}

TEST(ClassificationTask, a_model_trains_on_its_batches) {
  const auto task = make_task(with({{"fold", 2}}));
  const auto model = make_model(FoldedCnnConfig::of(
      {{"image_height", 19}, {"image_width", 25}, {"num_classes", 10}, {"fold", 2}}));
  const TensorMap examples = batch(*task, Split::kTrain, 6);
  EXPECT_EQ(examples.at("images").sizes(), at::IntArrayRef({6, 3, 19, 25}));
  EXPECT_LE(examples.at("images").max().item<float>(), 1);
  const TensorMap outputs = model->run(examples);
  task->loss(outputs, examples).backward();
  Tally tally;
  task->measure(outputs, examples, tally);
  EXPECT_EQ(tally.names(), (std::vector<std::string>{"loss", "top1", "top2", "top5", "top10"}));
  EXPECT_DOUBLE_EQ(tally.mean("top10"), 100);
}

TEST(ClassificationTask, a_curriculum_shows_only_the_classes_of_the_epoch) {
  const auto task = make_task(with({{"fold", 2},
                                    {"use_curriculum", true},
                                    {"curriculum", {{"init_classes", 2}, {"steps", {{3, 4}}}}}}));
  for (const Split split : {Split::kTrain, Split::kTest}) {
    for (const auto& [epoch, classes] :
         std::vector<std::pair<int64_t, int64_t>>{{0, 2}, {2, 2}, {3, 6}, {6, 10}, {2, 2}}) {
      task->begin_epoch(epoch);
      const at::Tensor labels = batch(*task, split, task->size(split)).at("labels");
      EXPECT_LT(labels.max().item<int64_t>(), classes) << epoch;
    }
  }
}

TEST(ClassificationTask, a_teachers_logits_are_the_target_of_training_alone) {
  const io::TemporaryFolder folder;
  const Json teacher_model = {{"image_height", 19}, {"image_width", 25}, {"num_classes", 10}};
  const auto teacher = make_model(FoldedCnnConfig::of(teacher_model));
  teacher->eval();
  const std::string path = folder.path() + "/teacher.safetensors";
  io::write_tensor_file(path, weights_of(*teacher));
  const auto task = make_task(with({{"teacher", path}, {"teacher_model", teacher_model}}));
  const TensorMap train = batch(*task, Split::kTrain, 5);
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(at::allclose(
      train.at("target"), teacher->run({{"images", train.at("images")}}).at("logits"), 1e-5, 1e-6));
  EXPECT_EQ(batch(*task, Split::kTest, 5).at("target").scalar_type(), at::kLong);

  Json wrong = teacher_model;
  wrong["num_classes"] = 9;
  io::write_tensor_file(path, weights_of(*make_model(FoldedCnnConfig::of(wrong))));
  EXPECT_EQ(error_of([&] {
              make_task(with({{"teacher", path}, {"teacher_model", wrong}}));
            }),
            "T-FCNN-42");
}

TEST(ClassificationTask, augmentation_is_of_training_alone_and_follows_the_generator) {
  const auto plain = make_task(kSmallDigits), changed = make_task(with({{"augment", true}}));
  const at::Tensor first = batch(*changed, Split::kTrain, 8).at("images");
  EXPECT_FALSE(at::equal(first, batch(*plain, Split::kTrain, 8).at("images")));
  EXPECT_TRUE(at::equal(first, batch(*changed, Split::kTrain, 8).at("images")));
  EXPECT_TRUE(at::equal(batch(*changed, Split::kTest, 8).at("images"),
                        batch(*plain, Split::kTest, 8).at("images")));
}

TEST(ClassificationTask, pictures_come_from_folders_of_classes) {
  const io::TemporaryFolder folder;
  const std::string picture =
      io::read_text(std::string(TESSERA_SOURCE_DIR) + "/tests/fuzz/corpus/png/ok_rgb");
  for (const char* split : {"train", "val", "test"}) {
    for (const char* name : {"0/a.png", "0/b.png", "other/a.png", "other/b.png"}) {
      const auto place = std::filesystem::path(folder.path()) / "game" / split / name;
      std::filesystem::create_directories(place.parent_path());
      io::write_atomically(place.string(), std::string_view(picture));
    }
  }
  const Json keys = {{"dataset", "folder"}, {"folder", "game"}, {"image_height", 4},
                     {"image_width", 6},    {"train_size", 0},  {"fold", 2}};
  const auto task = make_task(keys, folder.path());
  EXPECT_EQ(task->size(Split::kTrain), 4);
  EXPECT_EQ(task->size(Split::kValid), 4);
  const TensorMap train = batch(*task, Split::kTrain, 4);
  EXPECT_EQ(train.at("images").sizes(), at::IntArrayRef({4, 3, 4, 6}));
  EXPECT_NEAR(train.at("images").max().item<float>(), 5.0 / 255, 1e-6);
  EXPECT_TRUE(at::equal(train.at("labels"), at::tensor({0, 0, 1, 1}, at::kLong)));
  EXPECT_EQ(error_of([] { make_task({{"dataset", "folder"}}); }), "T-FCNN-43");
  EXPECT_EQ(error_of([] { make_task(with({{"folder", "game"}})); }), "T-FCNN-43");
}

TEST(ClassificationTask, tops_are_one_class_and_the_rest_another) {
  const auto task = make_task(with({{"labels", "tops_against_rest"}}));
  const at::Tensor binary = batch(*task, Split::kTrain, 50).at("labels");
  const at::Tensor classes = make_digits(50, 0).labels;
  for (int64_t i = 0; i < 50; ++i) {
    const auto digit = classes[i].item<int64_t>();
    const bool is_top = digit <= 6 && digit % 2 == 0;
    EXPECT_EQ(binary[i].item<int64_t>(), is_top ? 1 : 0);
  }
}

TEST(ClassificationTask, what_contradicts_itself_or_is_not_there_is_refused) {
  EXPECT_EQ(error_of([] {
              make_task(with({{"use_curriculum", true}, {"teacher", "x"}}));
            }),
            "T-FCNN-40");
  EXPECT_EQ(error_of([] { make_task(with({{"fold", 60}})); }), "T-FCNN-41");
  const io::TemporaryFolder folder;
  EXPECT_THROW(make_task({{"dataset", "mnist"}}, folder.path()), Io);
  EXPECT_THROW(make_task({{"dataset", "cifar10"}}, folder.path()), Io);
}

TEST(ClassificationTask, cifar_is_normalised_and_its_validation_follows_the_fold) {
  const io::TemporaryFolder folder;
  std::filesystem::create_directories(folder.path() + "/cifar10");
  const auto write = [&](const std::string& name, int64_t records) {
    std::ofstream file(folder.path() + "/cifar10/" + name, std::ios::binary);
    for (int64_t i = 0; i < records; ++i) {
      file.put(static_cast<char>(i % 10));
      file << std::string(3072, static_cast<char>(i));
    }
  };
  for (int64_t i = 1; i <= 5; ++i) write("data_batch_" + std::to_string(i) + ".bin", 8);
  write("test_batch.bin", 6);
  const auto task =
      make_task({{"dataset", "cifar10"}, {"valid_size", 10}, {"fold", 3}}, folder.path());
  EXPECT_EQ(task->size(Split::kValid), 12);
  EXPECT_EQ(task->size(Split::kTrain), 27);
  const TensorMap test = batch(*task, Split::kTest, 6);
  EXPECT_NEAR(test.at("images").min().item<float>(), -0.4914 / 0.2023, 1e-4);
  std::ofstream(folder.path() + "/cifar10/test_batch.bin", std::ios::app) << "x";
  EXPECT_THROW(make_task({{"dataset", "cifar10"}}, folder.path()), BadFile);
}

}  // namespace
}  // namespace tessera::folded_cnn
