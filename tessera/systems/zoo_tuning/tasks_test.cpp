#include "tessera/systems/zoo_tuning/tasks.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tessera/systems/zoo_tuning/test_inputs.h"

namespace tessera::zoo_tuning {
namespace {

using testing::error_of;

std::unique_ptr<Task> make_task(const Json& values) {
  const TaskFactory factory = tasks().front();
  const auto config = factory.config();
  read_config(*config, values, "task");
  return factory.make(*config, {.data_root = "", .dtype = at::kFloat});
}

TensorMap batch(const Task& task, Split split, int64_t count) {
  std::vector<int64_t> examples(static_cast<size_t>(count));
  std::iota(examples.begin(), examples.end(), 0);
  BatchContext context{split, testing::generator(1)};
  return task.batch(examples, context);
}

const Json kFew = {{"classes", {7, 2, 5}}, {"train_per_class", 4}, {"valid_per_class", 6}};

Json with(const Json& more) {
  Json values = kFew;
  values.update(more);
  return values;
}

TEST(TransferTask, has_as_many_labels_of_each_class_as_asked_for) {
  const auto task = make_task(kFew);
  ASSERT_EQ(task->size(Split::kTrain), 12);
  ASSERT_EQ(task->size(Split::kValid), 18);
  for (const Split split : {Split::kTrain, Split::kValid}) {
    const at::Tensor counts = batch(*task, split, task->size(split)).at("labels").bincount();
    EXPECT_EQ(counts.numel(), 3);
    EXPECT_EQ(counts.min().item<int64_t>(), counts.max().item<int64_t>());
  }
  const auto other = make_task(with({{"split_seed", 1}}));
  EXPECT_FALSE(
      at::equal(batch(*task, Split::kTrain, 12).at("x"), batch(*other, Split::kTrain, 12).at("x")));
  EXPECT_TRUE(
      at::equal(batch(*task, Split::kTest, 9).at("x"), batch(*other, Split::kTest, 9).at("x")));
}

TEST(TransferTask, changes_every_split_alike) {
  const auto plain = make_task(kFew), inverted = make_task(with({{"change", "inverted"}})),
             mirrored = make_task(with({{"change", "mirrored"}}));
  for (const Split split : {Split::kTrain, Split::kValid, Split::kTest}) {
    const at::Tensor x = batch(*plain, split, 5).at("x");
    EXPECT_LE(x.abs().max().item<float>(), 1);
    EXPECT_LT((batch(*inverted, split, 5).at("x") + x).abs().max().item<float>(), 1e-6);
    EXPECT_TRUE(at::equal(batch(*mirrored, split, 5).at("x"), x.flip({3})));
  }
}

TEST(TransferTask, an_image_stands_in_its_four_turns) {
  const auto plain = make_task(kFew), turned = make_task(with({{"labels", "rotation"}}));
  ASSERT_EQ(turned->size(Split::kTrain), 48);
  const TensorMap four = batch(*turned, Split::kTrain, 4);
  const at::Tensor one = batch(*plain, Split::kTrain, 1).at("x")[0];
  for (int64_t k = 0; k < 4; ++k) {
    EXPECT_EQ(four.at("labels")[k].item<int64_t>(), k);
    EXPECT_TRUE(at::equal(four.at("x")[k], one.rot90(k, {1, 2})));
  }
}

TEST(TransferTask, shifts_training_images_alone) {
  const auto task = make_task(with({{"augment", true}})), still = make_task(kFew);
  EXPECT_FALSE(
      at::equal(batch(*task, Split::kTrain, 12).at("x"), batch(*still, Split::kTrain, 12).at("x")));
  EXPECT_TRUE(
      at::equal(batch(*task, Split::kValid, 9).at("x"), batch(*still, Split::kValid, 9).at("x")));
}

TEST(TransferTask, every_member_of_an_ensemble_has_its_own_loss) {
  const auto task = make_task(kFew);
  const TensorMap examples = batch(*task, Split::kTrain, 12);
  const at::Tensor each = testing::draw({2, 12, 3}, 4).to(at::kFloat);
  const TensorMap outputs{{"logits", each.mean(0)}, {"logits_each", each}};
  const at::Tensor expected = at::cross_entropy_loss(each[0], examples.at("labels")) +
                              at::cross_entropy_loss(each[1], examples.at("labels"));
  EXPECT_NEAR(task->loss(outputs, examples).item<double>(), expected.item<double>(), 1e-5);
  Tally tally;
  task->measure(outputs, examples, tally);
  EXPECT_EQ(tally.names(),
            (std::vector<std::string>{"loss", "top1", "top1_member0", "top1_member1"}));
  const TensorMap taught{{"logits", each[0]}, {"distillation", at::full({}, 2.0)}};
  EXPECT_NEAR(task->loss(taught, examples).item<double>(),
              at::cross_entropy_loss(each[0], examples.at("labels")).item<double>() + 2, 1e-5);
}

TEST(TransferTask, refuses_what_the_data_do_not_have) {
  EXPECT_EQ(error_of([] { make_task({{"classes", {10}}}); }), "T-ZOO-40");
  EXPECT_EQ(error_of([] { make_task(with({{"train_per_class", 5000}})); }), "T-ZOO-41");
  EXPECT_EQ(error_of([] { make_task({{"valid_per_class", 5000}}); }), "T-ZOO-41");
  EXPECT_EQ(error_of([] { make_task({{"change", "sharpened"}}); }), "T-CFG-02");
}

}  // namespace
}  // namespace tessera::zoo_tuning
