#include "tessera/systems/sequence_tasks.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "tessera/core/error.h"
#include "tessera/data/mnist.h"
#include "tessera/data/permutation.h"

namespace tessera {
namespace {

std::unique_ptr<Task> make(const TaskFactory& factory, const Json& values,
                           at::ScalarType dtype = at::kFloat, const std::string& root = "") {
  const auto config = factory.config();
  read_config(*config, values);
  return factory.make(*config, {.data_root = root, .dtype = dtype});
}

TensorMap batch_of(const Task& task, Split split, std::initializer_list<int64_t> examples) {
  BatchContext context{.split = split};
  return task.batch(std::span(examples.begin(), examples.size()), context);
}

std::string complaint(const TaskFactory& factory, const Json& values) {
  try {
    make(factory, values);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "no such error";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Psmnist, pixels_come_in_the_order_of_the_permutation) {
  const auto task = make(psmnist_task(), {{"source", "subset"}}, at::kDouble);
  const TensorMap batch = batch_of(*task, Split::kTest, {7, 3});
  const at::Tensor& x = batch.at("x");
  EXPECT_EQ(x.sizes(), (at::IntArrayRef{2, 784, 1}));
  EXPECT_EQ(x.scalar_type(), at::kDouble);
  const data::ImageData subset = data::load_mnist_subset();
  const auto order = data::torch_permutation(5544, 784);
  const at::Tensor pixels = subset.test.images[7].flatten();
  for (int64_t t = 0; t < 784; ++t) {
    ASSERT_EQ(x[0][t][0].item<double>(),
              pixels[order[static_cast<size_t>(t)]].item<double>() / 255);
  }
  EXPECT_EQ(batch.at("y")[1].item<int64_t>(), subset.test.labels[3].item<int64_t>());
  EXPECT_EQ(task->selection_metric(), "accuracy");
  EXPECT_TRUE(task->larger_is_better());
}

TEST(Psmnist, a_random_split_is_the_generator_s_and_leaves_no_image_twice) {
  const Json keys = {
      {"source", "subset"}, {"permutation", "none"}, {"valid_size", 400}, {"split_seed", 3}};
  const auto task = make(psmnist_task(), keys);
  EXPECT_EQ(task->size(Split::kTrain), 2000);
  EXPECT_EQ(task->size(Split::kValid), 400);
  EXPECT_EQ(task->size(Split::kTest), 600);
  const auto order = data::torch_permutation(3, 2400);
  const at::Tensor images = data::load_mnist_subset().train.images.flatten(1);
  const auto same = [&](Split split, int64_t example, int64_t place) {
    const at::Tensor x = batch_of(*task, split, {example}).at("x").flatten().mul(255).round();
    return at::equal(x.to(at::kByte), images[order[static_cast<size_t>(place)]]);
  };
  EXPECT_TRUE(same(Split::kTrain, 0, 0) && same(Split::kTrain, 1999, 1999));
  EXPECT_TRUE(same(Split::kValid, 0, 2000) && same(Split::kValid, 399, 2399));
}

TEST(Psmnist, the_last_images_validate_and_sizes_cut_the_rest) {
  const auto task = make(psmnist_task(), {{"source", "subset"},
                                          {"permutation", "none"},
                                          {"split", "last"},
                                          {"train_size", 100},
                                          {"valid_size", 10},
                                          {"test_size", 50}});
  EXPECT_EQ(task->size(Split::kTrain), 100);
  EXPECT_EQ(task->size(Split::kTest), 50);
  const data::ImageData subset = data::load_mnist_subset();
  EXPECT_TRUE(at::equal(
      batch_of(*task, Split::kValid, {9}).at("x").flatten().mul(255).round().to(at::kByte),
      subset.train.images[2399].flatten()));
}

TEST(Psmnist, lmu2019_fixes_the_order_of_the_training_images_too) {
  const char* root = std::getenv("TESSERA_DATA");
  if (root == nullptr || !std::filesystem::exists(std::string(root) + "/mnist")) {
    GTEST_SKIP() << "TESSERA_DATA/mnist is missing";
  }
  const auto task = make(psmnist_task(), {{"permutation", "lmu2019"}}, at::kFloat, root);
  EXPECT_EQ(task->size(Split::kTrain), 50000);
  EXPECT_EQ(task->size(Split::kValid), 10000);
  const data::ImageData mnist = data::load_mnist(root);
  const auto orders = data::lmu2019_orders();
  for (const int64_t i : {0, 59999}) {
    const bool is_train = i < 50000;
    const TensorMap batch =
        batch_of(*task, is_train ? Split::kTrain : Split::kValid, {is_train ? i : i - 50000});
    const int64_t sample = orders.samples[static_cast<size_t>(i)];
    EXPECT_EQ(batch.at("y").item<int64_t>(), mnist.train.labels[sample].item<int64_t>());
    const at::Tensor expected =
        mnist.train.images[sample].flatten().index_select(0, at::tensor(orders.pixels, at::kLong));
    EXPECT_TRUE(at::equal(batch.at("x").flatten().mul(255).round().to(at::kByte), expected));
  }
}

TEST(Psmnist, loss_and_accuracy_are_means_over_all_examples) {
  const auto task = make(psmnist_task(), {{"source", "subset"}});
  Tally tally;
  const at::Tensor logits = at::zeros({4, 10});
  logits.select(1, 2).fill_(1);
  task->measure({{"logits", logits}}, {{"y", at::tensor({2, 2, 2, 0}, at::kLong)}}, tally);
  task->measure({{"logits", logits.slice(0, 0, 1)}}, {{"y", at::tensor({1}, at::kLong)}}, tally);
  const Metrics metrics = task->metrics(tally);
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[0].first, "loss");
  EXPECT_NEAR(metrics[0].second, std::log(std::exp(1.0) + 9) - 0.6, 1e-6);
  EXPECT_NEAR(metrics[1].second, 60, 1e-9);
}

TEST(NoisePadded, rows_are_followed_by_noise_that_all_samples_share) {
  const auto task = make(noise_padded_task(), {{"source", "subset"}, {"length", 300}});
  const at::Tensor x = batch_of(*task, Split::kTrain, {5, 6}).at("x");
  EXPECT_EQ(x.sizes(), (at::IntArrayRef{2, 300, 28}));
  EXPECT_EQ(x.scalar_type(), at::kFloat);
  const data::ImageData subset = data::load_mnist_subset();
  EXPECT_TRUE(at::equal(x[0].narrow(0, 0, 28), subset.train.images[5][0].to(at::kFloat).div(255)));
  const at::Tensor noise = x[0].narrow(0, 28, 272);
  EXPECT_TRUE(at::equal(noise, x[1].narrow(0, 28, 272)));
  EXPECT_TRUE(at::equal(noise, batch_of(*task, Split::kTest, {0}).at("x")[0].narrow(0, 28, 272)));
  // torch.manual_seed(12345); torch.randn(272, 28)
  EXPECT_NEAR(noise.std().item<double>(), 1, 0.03);
}

TEST(NoisePadded, noise_of_the_authors_shape_has_their_first_numbers) {
  const auto task = make(noise_padded_task(), {{"source", "subset"}, {"length", 1000}});
  const at::Tensor noise = batch_of(*task, Split::kTrain, {0}).at("x")[0][28];
  // torch.randn(972, 28) after torch.manual_seed(12345), from another build of torch.
  const at::Tensor expected = at::tensor({-1.4798f, 0.4873f, -3.0128f, 0.4439f});
  EXPECT_TRUE(at::allclose(noise.narrow(0, 0, 4), expected, 0, 1e-4)) << noise;
}

TEST(SequenceTasks, what_cannot_be_is_refused) {
  const Json subset = {{"source", "subset"}};
  const auto with = [&](const char* key, const Json& value) {
    Json keys = subset;
    keys[key] = value;
    return keys;
  };
  EXPECT_TRUE(has(complaint(psmnist_task(), with("valid_size", 2400)), "T-SEQ-01"));
  EXPECT_TRUE(has(complaint(psmnist_task(), with("train_size", 2401)), "2400 images"));
  EXPECT_TRUE(has(complaint(psmnist_task(), with("test_size", 601)), "600 images for test"));
  EXPECT_TRUE(has(complaint(psmnist_task(), with("permutation", "lmu2019")), "T-SEQ-03"));
  EXPECT_TRUE(has(complaint(psmnist_task(), with("permutation", "sorted")), "T-PERM-04"));
  EXPECT_TRUE(has(complaint(psmnist_task(), {{"source", "cifar10"}}), "source"));
  EXPECT_TRUE(has(complaint(noise_padded_task(), with("length", 27)), "28 rows, but got 27"));
}

}  // namespace
}  // namespace tessera
