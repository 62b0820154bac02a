#include "tessera/systems/series_tasks.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <numeric>
#include <set>
#include <string>

#include "tessera/core/error.h"
#include "tessera/data/generated_series.h"
#include "tessera/data/permutation.h"
#include "tessera/io/file.h"
#include "tessera/io/temporary_folder.h"

namespace tessera {
namespace {

std::unique_ptr<Task> make(const TaskFactory& factory, Json values,
                           at::ScalarType dtype = at::kFloat, const std::string& root = "") {
  const auto config = factory.config();
  read_config(*config, values);
  return factory.make(*config, {.data_root = root, .dtype = dtype});
}

Json generated(Json more = Json::object()) {
  Json values = {{"source", "generated"}, {"size", 20}, {"length", 50}};
  values.update(more);
  return values;
}

TensorMap whole(const Task& task, Split split) {
  std::vector<int64_t> examples(static_cast<size_t>(task.size(split)));
  std::iota(examples.begin(), examples.end(), 0);
  BatchContext context{.split = split};
  return task.batch(examples, context);
}

std::string complaint(const TaskFactory& factory, const Json& values) {
  try {
    make(factory, values);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "no such error";
}

TEST(SeriesTasks, the_pool_of_259_worms_is_divided_as_the_authors_divide_it) {
  const auto task = make(eigenworms_task(), generated({{"size", 259}}));
  EXPECT_EQ(task->size(Split::kTrain), 181);
  EXPECT_EQ(task->size(Split::kValid), 39);
  EXPECT_EQ(task->size(Split::kTest), 39);
}

TEST(SeriesTasks, splits_are_drawn_by_their_seed_and_share_no_series) {
  const auto task = make(bidmc_task(), generated({{"split_seed", 3}}), at::kDouble);
  const data::SeriesSet set = data::generated_pulses("rr", 20, 50, 1);
  const auto order = data::torch_permutation(3, 20);
  std::set<double> seen;
  size_t place = 0;
  for (const Split split : {Split::kTrain, Split::kValid, Split::kTest}) {
    const TensorMap all = whole(*task, split);
    EXPECT_EQ(all.at("x").scalar_type(), at::kDouble);
    for (int64_t i = 0; i < task->size(split); ++i, ++place) {
      EXPECT_TRUE(at::equal(all.at("x")[i].to(at::kFloat), set.values[order[place]]));
      EXPECT_EQ(all.at("y")[i].item<double>(), set.targets[order[place]].item<double>());
      seen.insert(all.at("y")[i].item<double>());
    }
  }
  EXPECT_EQ(seen.size(), 20u);
}

TEST(SeriesTasks, by_files_the_test_file_is_the_test_split) {
  const io::TemporaryFolder folder;
  std::filesystem::create_directories(folder / "bidmc");
  const auto write = [&](const char* part, int first, int count) {
    std::string text = "@problemName x\n@targetlabel true\n@data\n";
    for (int i = first; i < first + count; ++i) text += "1,2:3,4:" + std::to_string(i) + "\n";
    io::write_atomically(folder / (std::string("bidmc/BIDMC32RR_") + part + ".ts"), text);
  };
  write("TRAIN", 0, 8);
  write("TEST", 100, 3);
  const auto task = make(bidmc_task(), {{"split", "files"}}, at::kFloat, folder.path());
  EXPECT_TRUE(at::equal(whole(*task, Split::kTest).at("y"), at::tensor({100.f, 101.f, 102.f})));
  EXPECT_EQ(task->size(Split::kValid), 2);
  EXPECT_EQ(task->size(Split::kTrain), 6);
  EXPECT_LT(whole(*task, Split::kTrain).at("y").max().item<float>(), 8);
  const auto pooled = make(bidmc_task(), {{"split_seed", 1}}, at::kFloat, folder.path());
  EXPECT_GT(whole(*pooled, Split::kTrain).at("y").max().item<float>(), 99);
}

TEST(SeriesTasks, standard_brings_training_s_channels_to_zero_and_one) {
  const auto task =
      make(eigenworms_task(), generated({{"normalise", "standard"}, {"length", 400}}), at::kDouble);
  const at::Tensor x = whole(*task, Split::kTrain).at("x");
  EXPECT_LT(x.mean(at::IntArrayRef{0, 1}).abs().max().item<double>(), 1e-4);
  EXPECT_LT((x.square().mean(at::IntArrayRef{0, 1}) - 1).abs().max().item<double>(), 1e-4);
  // Of training alone: the others are only near it.
  const at::Tensor test = whole(*task, Split::kTest).at("x").mean(at::IntArrayRef{0, 1});
  EXPECT_GT(test.abs().max().item<double>(), 1e-3);
}

TEST(SeriesTasks, length_keeps_the_first_steps) {
  const auto task = make(bidmc_task(), generated({{"size", 10}}));
  EXPECT_EQ(whole(*task, Split::kTrain).at("x").sizes(), (at::IntArrayRef{6, 50, 2}));
  const io::TemporaryFolder folder;
  std::filesystem::create_directories(folder / "BIDMC32HR");
  for (const char* part : {"TRAIN", "TEST"}) {
    io::write_atomically(
        folder / (std::string("BIDMC32HR/BIDMC32HR_") + part + ".ts"),
        "@problemName x\n@targetlabel true\n@data\n1,2,5:3,4,5:60\n1,2,5:3,4,5:70\n");
  }
  const Json keys = {{"quantity", "hr"}, {"length", 2}, {"test_share", 0.5}};
  EXPECT_TRUE(at::equal(
      whole(*make(bidmc_task(), keys, at::kFloat, folder.path()), Split::kTest).at("x")[0],
      at::tensor({1.f, 3.f, 2.f, 4.f}).view({2, 2})));
}

TEST(SeriesTasks, rmse_is_the_root_over_all_examples_whatever_the_logits_shape) {
  const auto task = make(bidmc_task(), generated());
  Tally tally;
  const at::Tensor y = at::tensor({1.f, 2.f, 3.f});
  task->measure({{"logits", at::zeros({3, 1})}}, {{"y", y}}, tally);
  task->measure({{"logits", at::zeros({1})}}, {{"y", at::tensor({4.f})}}, tally);
  const Metrics metrics = task->metrics(tally);
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_NEAR(metrics[0].second, 7.5, 1e-6);
  EXPECT_EQ(metrics[1].first, "rmse");
  EXPECT_NEAR(metrics[1].second, std::sqrt(7.5), 1e-6);
  EXPECT_EQ(task->selection_metric(), "rmse");
  EXPECT_FALSE(task->larger_is_better());
}

TEST(SeriesTasks, worms_are_measured_in_percent) {
  const auto task = make(eigenworms_task(), generated());
  Tally tally;
  const at::Tensor logits = at::zeros({4, 5});
  logits.select(1, 2).fill_(1);
  task->measure({{"logits", logits}}, {{"y", at::tensor({2, 2, 2, 0}, at::kLong)}}, tally);
  EXPECT_NEAR(task->metrics(tally)[0].second, std::log(std::exp(1.0) + 4) - 0.75, 1e-6);
  EXPECT_NEAR(task->metrics(tally)[1].second, 75, 1e-9);
  EXPECT_TRUE(task->larger_is_better());
}

TEST(SeriesTasks, what_cannot_be_is_refused) {
  const auto has = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_TRUE(has(complaint(bidmc_task(), generated({{"valid_share", 0.5}, {"test_share", 0.5}})),
                  "T-SERT-01"));
  EXPECT_TRUE(has(complaint(bidmc_task(), generated({{"test_share", 0.0}})), "T-SERT-02"));
  EXPECT_TRUE(has(complaint(bidmc_task(), generated({{"quantity", "bp"}})), "quantity"));
  EXPECT_TRUE(has(complaint(eigenworms_task(), {{"source", "mnist"}}), "source"));
  const io::TemporaryFolder folder;
  for (const char* part : {"TRAIN", "TEST"}) {
    std::filesystem::create_directories(folder / "bidmc");
    io::write_atomically(folder / (std::string("bidmc/BIDMC32RR_") + part + ".ts"),
                         "@problemName x\n@targetlabel true\n@data\n1,2:3,4:60\n1,2:3,4:70\n");
  }
  try {
    make(bidmc_task(), {{"length", 3}}, at::kFloat, folder.path());
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_EQ(error.id(), "T-SERT-03");
  }
}

}  // namespace
}  // namespace tessera
