#include "tessera/systems/zoo_tuning/picture_task.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "tessera/data/augment.h"
#include "tessera/data/image_folder.h"
#include "tessera/data/picture_folder_test.h"
#include "tessera/systems/zoo_tuning/classification.h"
#include "tessera/systems/zoo_tuning/test_inputs.h"

namespace tessera::zoo_tuning {
namespace {

using testing::error_of;

std::unique_ptr<Task> make_task(const std::string& root, const Json& more = Json::object()) {
  Json values = {{"folder", "set"}, {"resize", 12}, {"crop", 8}};
  values.update(more);
  const TaskFactory factory = pictures_task();
  const auto config = factory.config();
  read_config(*config, values, "task");
  return factory.make(*config, {.data_root = root, .dtype = at::kFloat});
}

/// Twelve training pictures of two classes, four for each of the others, of several sizes.
class PictureTask : public ::testing::Test {
 protected:
  PictureTask() {
    uint64_t seed = 0;
    for (const auto& [split, count] :
         {std::pair{"train", 6}, std::pair{"val", 2}, std::pair{"test", 2}}) {
      for (const char* name : {"cat", "dog"}) {
        for (int i = 0; i < count; ++i) {
          const auto place = std::string(split) + "/" + name + "/" + std::to_string(i) + ".png";
          files_.write("set/" + place, data::png_of(drawn(10 + i, 14, ++seed)));
        }
      }
    }
  }

  static at::Tensor drawn(int64_t height, int64_t width, uint64_t seed) {
    return at::randint(256, {3, height, width}, testing::generator(seed), at::kByte);
  }
  std::string root() const { return files_.path(); }
  std::string folder() const { return root() + "/set"; }
  std::unique_ptr<Task> task(const Json& more = Json::object()) const {
    return make_task(root(), more);
  }
  void remove_valid() const { std::filesystem::remove_all(folder() + "/val"); }

  /// The picture as a task of 12 pixels holds it.
  at::Tensor resized(const std::string& path) const {
    return data::fitted(data::read_image(folder() + "/" + path),
                        {.kind = data::ImageFit::Kind::kCubic, .height = 12, .width = 12});
  }
  static at::Tensor normalised(const at::Tensor& bytes) {
    at::Tensor x = bytes.to(at::kDouble) / 255;
    const double mean[] = {0.485, 0.456, 0.406}, deviation[] = {0.229, 0.224, 0.225};
    for (int64_t c = 0; c < 3; ++c) x[c].sub_(mean[c]).div_(deviation[c]);
    return x;
  }

  data::PictureFolder files_;
};

TensorMap batch(const Task& task, Split split, const std::vector<int64_t>& examples,
                uint64_t seed = 1) {
  BatchContext context{split, testing::generator(seed)};
  return task.batch(examples, context);
}

void expect_near(const at::Tensor& x, const at::Tensor& expected) {
  ASSERT_EQ(x.sizes(), expected.sizes());
  EXPECT_LT(testing::largest(x.to(at::kDouble) - expected), 1e-5);
}

TEST_F(PictureTask, trains_on_random_parts_flipped_in_half_of_the_pictures) {
  const auto pictures = task();
  ASSERT_EQ(pictures->size(Split::kTrain), 12);
  const std::vector<int64_t> examples = {7, 0, 3, 11};
  const TensorMap made = batch(*pictures, Split::kTrain, examples);
  EXPECT_TRUE(at::equal(made.at("labels"), at::tensor({1, 0, 0, 1}, at::kLong)));
  const std::vector<uint64_t> seeds = data::draw_seeds(testing::generator(1), 4);
  const char* names[] = {"train/dog/1.png", "train/cat/0.png", "train/cat/3.png",
                         "train/dog/5.png"};
  for (size_t i = 0; i < 4; ++i) {
    const at::Tensor part = data::random_resized_crop(resized(names[i]), 8, seeds[i]);
    const at::Tensor flipped = data::augment(part.unsqueeze(0), {.flip = true}, {&seeds[i], 1})[0];
    expect_near(made.at("x")[static_cast<int64_t>(i)], normalised(flipped));
  }
}

TEST_F(PictureTask, a_seed_is_a_batch_whatever_thread_makes_it_and_whatever_is_kept) {
  const auto kept = task(), read = task({{"cache_mib", 0}});
  std::vector<int64_t> examples(12);
  std::iota(examples.begin(), examples.end(), 0);
  const at::Tensor once = batch(*kept, Split::kTrain, examples).at("x");
  EXPECT_TRUE(at::equal(batch(*kept, Split::kTrain, examples).at("x"), once));
  EXPECT_TRUE(at::equal(batch(*read, Split::kTrain, examples).at("x"), once));
  EXPECT_FALSE(at::equal(batch(*kept, Split::kTrain, examples, 2).at("x"), once));
  at::Tensor elsewhere;
  std::thread([&] {
    at::set_num_threads(3);
    elsewhere = batch(*read, Split::kTrain, examples).at("x");
  }).join();
  EXPECT_TRUE(at::equal(elsewhere, once));
}

TEST_F(PictureTask, validates_on_the_middle) {
  const auto pictures = task();
  ASSERT_EQ(pictures->size(Split::kValid), 4);
  const TensorMap made = batch(*pictures, Split::kValid, {0, 3});
  // (12 − 8 − 1)/2 = 1.5 rounds to 2.
  const auto middle = [&](const char* name) {
    return normalised(resized(name).narrow(1, 2, 8).narrow(2, 2, 8));
  };
  expect_near(made.at("x")[0], middle("val/cat/0.png"));
  expect_near(made.at("x")[1], middle("val/dog/1.png"));
  const TensorMap test = batch(*task({{"ten_crops", false}}), Split::kTest, {2});
  expect_near(test.at("x")[0],
              normalised(resized("test/dog/0.png").narrow(1, 2, 8).narrow(2, 2, 8)));
}

/// Logits that tell every pixel: weighted sums of x.
at::Tensor logits_of(const at::Tensor& x) {
  const at::Tensor weight = testing::draw({3 * 8 * 8, 2}, 3);
  return at::matmul(x.to(at::kDouble).flatten(-3), weight);
}

TEST_F(PictureTask, tests_by_the_sum_of_the_logits_of_ten_crops) {
  const auto pictures = task();
  const std::vector<int64_t> examples = {3, 0, 2, 1};
  const TensorMap made = batch(*pictures, Split::kTest, examples);
  ASSERT_EQ(made.at("x").sizes(), (at::IntArrayRef{40, 3, 8, 8}));
  ASSERT_EQ(made.at("labels").sizes(), (at::IntArrayRef{4}));

  const char* names[] = {"test/dog/1.png", "test/cat/0.png", "test/dog/0.png", "test/cat/1.png"};
  std::vector<at::Tensor> sums;
  for (const char* name : names) {
    at::Tensor sum = at::zeros({2}, at::kDouble);
    for (const bool is_flipped : {false, true}) {
      const at::Tensor side = is_flipped ? resized(name).flip({2}) : resized(name);
      for (const auto& [y, x] : {std::pair{0, 0}, {3, 3}, {0, 3}, {3, 0}, {2, 2}}) {
        sum += logits_of(normalised(side.narrow(1, y, 8).narrow(2, x, 8)));
      }
    }
    sums.push_back(sum);
  }
  const at::Tensor expected = at::stack(sums);
  const TensorMap outputs{{"logits", logits_of(made.at("x"))}};
  EXPECT_LT(testing::largest(summed_views(outputs.at("logits"), 4) - expected), 1e-3);

  Tally tally;
  pictures->measure(outputs, made, tally);
  const double hits = expected.argmax(1).eq(made.at("labels")).sum().item<double>();
  EXPECT_DOUBLE_EQ(tally.mean("top1"), 25 * hits);
  EXPECT_EQ(tally.weight("top1"), 4);
  EXPECT_NEAR(tally.mean("loss"),
              at::cross_entropy_loss(expected / 10, made.at("labels")).item<double>(), 1e-4);
}

TEST(Classification, members_of_an_ensemble_are_measured_by_their_own_sums) {
  // Two members, two examples of two views, three classes.
  const at::Tensor each = testing::draw({2, 4, 3}, 8);
  const at::Tensor sums = summed_views(each, 2);
  EXPECT_EQ(sums.sizes(), (at::IntArrayRef{2, 2, 3}));
  EXPECT_TRUE(at::equal(sums[1][1], each[1][2] + each[1][3]));
  EXPECT_TRUE(at::equal(summed_views(each, 4), each));
}

TEST_F(PictureTask, training_pictures_validate_where_there_is_no_val) {
  remove_valid();
  EXPECT_EQ(task()->size(Split::kValid), 2);  // a tenth of six rounds to one
  EXPECT_EQ(task()->size(Split::kTrain), 10);
  EXPECT_EQ(task({{"valid_share", 0.5}})->size(Split::kValid), 6);
  EXPECT_EQ(task({{"valid_share", 0}})->size(Split::kValid), 0);
  const auto x = [&](const Json& more) {
    return batch(*task(more), Split::kValid, {0, 1}).at("x");
  };
  const at::Tensor first = x(Json::object());
  bool is_other = false;
  for (int64_t seed = 1; seed < 5; ++seed) {
    is_other = is_other || !at::equal(x({{"split_seed", seed}}), first);
  }
  EXPECT_TRUE(is_other);
  EXPECT_TRUE(at::equal(x(Json::object()), first));
}

TEST_F(PictureTask, reads_the_authors_lists) {
  files_.write("set/train.txt", "train/dog/0.png 1\ntest/cat/0.png 0\n");
  files_.write("set/test.txt", "val/cat/1.png 0\n");
  const auto pictures = task({{"train_list", "train.txt"}, {"test_list", "test.txt"}});
  EXPECT_EQ(pictures->size(Split::kTrain), 2);
  EXPECT_EQ(pictures->size(Split::kValid), 0);  // no class has two pictures
  const TensorMap made = batch(*pictures, Split::kTest, {0});
  EXPECT_EQ(made.at("labels").item<int64_t>(), 0);
  expect_near(made.at("x")[0],
              normalised(resized("val/cat/1.png").narrow(1, 0, 8).narrow(2, 0, 8)));
}

TEST_F(PictureTask, refuses_what_contradicts_itself_or_the_data) {
  EXPECT_EQ(error_of([&] { task({{"train_list", "train.txt"}}); }), "T-ZOO-43");
  EXPECT_EQ(error_of([&] { task({{"valid_list", "valid.txt"}}); }), "T-ZOO-43");
  EXPECT_EQ(error_of([&] { task({{"crop", 13}}); }), "T-ZOO-44");
  EXPECT_EQ(error_of([&] { task({{"folder", nullptr}}); }), "T-ZOO-45");
  EXPECT_EQ(error_of([&] { task({{"valid_share", 0.2}}); }), "T-ZOO-46");
  EXPECT_EQ(error_of([&] { task({{"valid_share", 0.95}}); }), "T-CFG-02");
  EXPECT_EQ(error_of([&] { task({{"folder", "nothing"}}); }), "T-FOLDER-01");
  const auto pictures = task();
  const TensorMap labels{{"labels", at::zeros({2}, at::kLong)}};
  EXPECT_EQ(error_of([&] { pictures->loss({{"logits", at::zeros({2, 3})}}, labels); }), "T-ZOO-42");
}

TEST_F(PictureTask, crops_may_be_whole_pictures) {
  const auto pictures = task({{"crop", 12}});
  const TensorMap made = batch(*pictures, Split::kTest, {0});
  expect_near(made.at("x")[0], normalised(resized("test/cat/0.png")));
  expect_near(made.at("x")[9], normalised(resized("test/cat/0.png").flip({2})));
}

}  // namespace
}  // namespace tessera::zoo_tuning
