#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include "tessera/core/error.h"
#include "tessera/data/text.h"
#include "tessera/io/temporary_folder.h"
#include "tessera/systems/sequence_tasks.h"
#include "tessera/systems/task_extras.h"

namespace tessera {
namespace {

constexpr int64_t kSize = 2000;

/// A text whose byte i says i mod 251, so that windows tell where they are from.
struct Fixture {
  io::TemporaryFolder folder;

  Fixture() {
    std::ofstream out(folder / "text", std::ios::binary);
    for (int64_t i = 0; i < kSize; ++i) out.put(static_cast<char>(i % 251));
  }
  std::unique_ptr<Task> make(int64_t length, int64_t context) const {
    const TaskFactory factory = text8_task();
    const auto config = factory.config();
    read_config(*config, {{"file", "text"}, {"length", length}, {"context", context}});
    return factory.make(*config, {.data_root = folder / ""});
  }
};

TensorMap batch_of(const Task& task, Split split, std::initializer_list<int64_t> examples) {
  BatchContext context{.split = split};
  return task.batch(std::span(examples.begin(), examples.size()), context);
}

TEST(TextTask, targets_are_the_characters_that_follow) {
  const Fixture it;
  const auto task = it.make(10, 4);
  for (const Split split : {Split::kTrain, Split::kValid, Split::kTest}) {
    const int64_t last = task->size(split) - 1;
    const TensorMap batch = batch_of(*task, split, {0, last});
    const at::Tensor &x = batch.at("x"), &y = batch.at("y");
    EXPECT_EQ(x.sizes(), (at::IntArrayRef{2, 10}));
    EXPECT_TRUE(at::equal(y[0], x[0].add(1).remainder(251)));
    EXPECT_EQ(x[0][0].item<int64_t>(), (split == Split::kTrain   ? 0
                                        : split == Split::kValid ? 1800
                                                                 : 1900) %
                                           251);
  }
}

TEST(TextTask, every_character_of_an_evaluation_is_counted_at_most_once) {
  const Fixture it;
  const auto task = it.make(10, 4);
  std::vector<int64_t> counted(251, 0);
  for (int64_t i = 0; i < task->size(Split::kTest); ++i) {
    const at::Tensor y = batch_of(*task, Split::kTest, {i}).at("y")[0];
    EXPECT_EQ(y.eq(-100).sum().item<int64_t>(), i == 0 ? 0 : 4);
    for (int64_t t = 0; t < 10; ++t) {
      const int64_t value = y[t].item<int64_t>();
      if (value >= 0) ++counted[static_cast<size_t>(value)];
    }
  }
  int64_t total = 0;
  for (const int64_t count : counted) {
    EXPECT_LE(count, 1);
    total += count;
  }
  EXPECT_GE(total, 90);  // of 99 that have one before them
}

TEST(TextTask, training_windows_move_with_the_epoch_and_stay_inside) {
  const Fixture it;
  const auto task = it.make(40, 0);
  std::set<int64_t> starts;
  for (int64_t epoch = 0; epoch < 20; ++epoch) {
    task->begin_epoch(epoch);
    const int64_t last = task->size(Split::kTrain) - 1;
    const TensorMap batch = batch_of(*task, Split::kTrain, {0, last});
    const int64_t start = batch.at("x")[0][0].item<int64_t>();
    EXPECT_LT(start, 40);
    starts.insert(start);
    EXPECT_LE(start + 40 * last + 40, 1800 - 1);
  }
  EXPECT_GE(starts.size(), 15u);
}

TEST(TextTask, a_uniform_guess_costs_the_alphabet_s_bits) {
  const Fixture it;
  const auto task = it.make(10, 4);
  Tally tally;
  const TensorMap batch = batch_of(*task, Split::kTest, {0, 1});
  task->measure({{"logits", at::zeros({2, 10, 251})}}, batch, tally);
  EXPECT_NEAR(tally.mean("bpc"), std::log2(251.0), 1e-5);
  EXPECT_EQ(tally.weight("bpc"), 16);
  EXPECT_EQ(task->selection_metric(), "bpc");
}

TEST(TextTask, what_cannot_be_is_refused) {
  const Fixture it;
  EXPECT_THROW(it.make(10, 10), InvalidArgument);
  EXPECT_THROW(it.make(60, 0), InvalidArgument);  // validation has 100 characters
  std::ofstream(it.folder / "empty");
  EXPECT_THROW(data::read_text_file(it.folder / "empty"), BadFile);
  std::filesystem::remove(it.folder / "text");
  EXPECT_THROW(it.make(10, 0), Io);
}

TEST(Text, the_alphabet_is_the_file_s_bytes_and_others_become_spaces) {
  const io::TemporaryFolder folder;
  std::ofstream(folder / "t") << "b a b";
  const data::Text text = data::read_text_file(folder / "t");
  EXPECT_EQ(text.alphabet, " ab");
  EXPECT_EQ(text.places, (std::vector<uint8_t>{2, 0, 1, 0, 2}));
  EXPECT_EQ(text.encode("abc"), (std::vector<int64_t>{1, 2, 0}));
}

TEST(Text, a_packed_text_is_the_text_in_it) {
  const std::string corpus = std::string(TESSERA_SOURCE_DIR) + "/tests/fuzz/corpus/";
  const data::Text plain = data::read_text_file(corpus + "tar/ok_ustar");
  for (const char* name : {"tar/ok_xz", "tar/ok_bzip2"}) {
    EXPECT_EQ(data::read_text_file(corpus + name).places, plain.places) << name;
  }
  const data::Text zipped = data::read_text_file(corpus + "npz/ok_deflated");
  std::string begin;
  for (size_t i = 1; i < 6; ++i) begin.push_back(zipped.alphabet[zipped.places[i]]);
  EXPECT_EQ(begin, "NUMPY");
  EXPECT_THROW(data::read_text_file(corpus + "npz/ok_stored"), BadFile);  // two files
  EXPECT_THROW(data::read_text_file(corpus + "npz/ok_no_files"), BadFile);
  EXPECT_THROW(data::read_text_file(corpus + "tar/T-XZ-01_truncated"), BadFile);
}

}  // namespace
}  // namespace tessera
