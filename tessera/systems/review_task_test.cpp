#include "tessera/systems/review_task.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/embedding.h>

#include <cmath>
#include <fstream>

#include "tessera/core/error.h"
#include "tessera/io/temporary_folder.h"
#include "tessera/systems/task_extras.h"

namespace tessera {
namespace {

/// "w0 … w<length-1>" of each review; good ones also say "good".
data::ReviewData reviews() {
  data::ReviewData data;
  for (int i = 0; i < 20; ++i) {
    std::string text = i % 2 == 1 ? "good" : "bad";
    for (int k = 0; k < i; ++k) text += " w" + std::to_string(k);
    data::Review review{.text = text, .id = i, .is_good = i % 2 == 1};
    data.train.push_back(review);
    data.test.push_back(review);
  }
  return data;
}

std::unique_ptr<Task> make(const Json& values = Json::object(), at::ScalarType dtype = at::kFloat) {
  ReviewConfig config;
  Json all = {{"train_size", 15}, {"valid_size", 5}, {"vocab_size", 100}};
  all.update(values);
  read_config(config, all);
  return make_review_task(config, reviews(), {.data_root = "", .dtype = dtype});
}

TensorMap batch_of(const Task& task, Split split, std::initializer_list<int64_t> examples) {
  BatchContext context{.split = split};
  return task.batch(std::span(examples.begin(), examples.size()), context);
}

int64_t words_in(const at::Tensor& row) { return row.ne(1).sum().item<int64_t>(); }

TEST(ReviewTask, shorter_reviews_are_padded_at_the_chosen_end) {
  const auto end = make(), front = make({{"padding", "front"}});
  const TensorMap a = batch_of(*end, Split::kTest, {0, 1, 2}),
                  b = batch_of(*front, Split::kTest, {0, 1, 2});
  const at::Tensor &x = a.at("x"), &lengths = a.at("lengths");
  EXPECT_EQ(x.scalar_type(), at::kLong);
  EXPECT_EQ(x.size(1), lengths.max().item<int64_t>());
  EXPECT_EQ(b.find("lengths"), nullptr);
  for (int64_t i = 0; i < 3; ++i) {
    const int64_t n = lengths[i].item<int64_t>(), pad = x.size(1) - n;
    EXPECT_EQ(words_in(x[i]), n);
    EXPECT_TRUE(x[i].narrow(0, n, pad).eq(1).all().item<bool>());
    EXPECT_TRUE(b.at("x")[i].narrow(0, 0, pad).eq(1).all().item<bool>());
    EXPECT_TRUE(at::equal(b.at("x")[i].narrow(0, pad, n), x[i].narrow(0, 0, n)));
  }
}

TEST(ReviewTask, splits_hold_every_training_review_once_and_labels_follow) {
  const auto task = make();
  EXPECT_EQ(task->size(Split::kTrain), 15);
  EXPECT_EQ(task->size(Split::kValid), 5);
  EXPECT_EQ(task->size(Split::kTest), 20);
  std::vector<int64_t> seen(20, 0);
  const auto count = [&](Split split) {
    for (int64_t i = 0; i < task->size(split); ++i) {
      const TensorMap batch = batch_of(*task, split, {i});
      // Review i has i + 1 words and is good where i is odd.
      const int64_t review = batch.at("x").size(1) - 1;
      ++seen[static_cast<size_t>(review)];
      EXPECT_EQ(batch.at("y").item<double>(), review % 2);
    }
  };
  count(Split::kTrain);
  count(Split::kValid);
  EXPECT_EQ(seen, std::vector<int64_t>(20, 1));
}

TEST(ReviewTask, long_reviews_are_cut_at_the_chosen_end) {
  const auto longest = [](const Task& task) {
    int64_t best = 0;
    at::Tensor x;
    for (int64_t i = 0; i < task.size(Split::kTest); ++i) {
      const at::Tensor row = batch_of(task, Split::kTest, {i}).at("x")[0];
      if (row.size(0) > best) x = row;
      best = std::max(best, row.size(0));
    }
    return x;
  };
  const at::Tensor whole = longest(*make());
  ASSERT_EQ(whole.size(0), 20);
  // All reviews of at least four words are that long then: compare with their own whole.
  const auto cut_end = make({{"max_length", 4}}),
             cut_front = make({{"max_length", 4}, {"truncate", "front"}}), uncut = make();
  for (int64_t i = 0; i < 20; ++i) {
    const at::Tensor all = batch_of(*uncut, Split::kTest, {i}).at("x")[0];
    const int64_t n = std::min<int64_t>(all.size(0), 4);
    EXPECT_TRUE(at::equal(batch_of(*cut_end, Split::kTest, {i}).at("x")[0], all.narrow(0, 0, n)));
    EXPECT_TRUE(at::equal(batch_of(*cut_front, Split::kTest, {i}).at("x")[0],
                          all.narrow(0, all.size(0) - n, n)));
  }
}

TEST(ReviewTask, rare_words_are_unknown) {
  const auto task = make({{"vocab_size", 3}});
  for (int64_t i = 0; i < 20; ++i) {
    EXPECT_LT(batch_of(*task, Split::kTest, {i}).at("x").max().item<int64_t>(), 5);
  }
}

TEST(ReviewTask, loss_and_accuracy_are_those_of_a_logistic_unit) {
  const auto task = make();
  const TensorMap batch = {{"y", at::tensor({1.0, 0.0, 1.0, 0.0})}};
  const at::Tensor logits = at::tensor({2.0, -1.0, -3.0, -0.5});
  const double expected = (std::log1p(std::exp(-2.0)) + std::log1p(std::exp(-1.0)) +
                           std::log1p(std::exp(3.0)) + std::log1p(std::exp(-0.5))) /
                          4;
  for (const at::Tensor& given : {logits, logits.unsqueeze(1)}) {
    Tally tally;
    task->measure({{"logits", given}}, batch, tally);
    EXPECT_NEAR(tally.mean("loss"), expected, 1e-6);
    EXPECT_NEAR(tally.mean("accuracy"), 75, 1e-9);
  }
  EXPECT_EQ(task->selection_metric(), "accuracy");
}

TEST(ReviewTask, text_is_read_as_the_reviews_are) {
  const auto task = make();
  const auto* input = dynamic_cast<const TextInput*>(task.get());
  ASSERT_NE(input, nullptr);
  const std::vector<std::string> lines = {"Good w0", "neverseen"};
  const at::Tensor x = input->inputs_of(lines).at("x");
  EXPECT_EQ(x.sizes(), (at::IntArrayRef{2, 2}));
  EXPECT_GT(x[0].min().item<int64_t>(), 1);
  EXPECT_EQ(x[1][0].item<int64_t>(), 0);
  EXPECT_EQ(x[1][1].item<int64_t>(), 1);
}

class WithEmbedding : public Model {
 public:
  WithEmbedding(int64_t rows, int64_t width) {
    embedding_ = register_module("embedding", torch::nn::Embedding(rows, width));
  }
  TensorMap run(const TensorMap&) override { return {}; }
  at::Tensor weight() const { return embedding_->weight; }

 private:
  torch::nn::Embedding embedding_{nullptr};
};

TEST(ReviewTask, a_model_begins_with_the_vectors_of_the_file) {
  const io::TemporaryFolder folder;
  std::ofstream(folder / "v.txt") << "good 1 2\nw0 3 4\n";
  const auto task = make({{"embeddings", folder / "v.txt"}});
  const TensorMap first = dynamic_cast<const InitialWeights&>(*task).initial_weights();
  const int64_t rows = first.at("embedding.weight").size(0);
  WithEmbedding model(rows + 3, 2);
  const at::Tensor behind = model.weight().detach().narrow(0, rows, 3).clone();
  begin_with(model, first);
  const std::vector<std::string> line = {"good w0 w1"};
  const at::Tensor x = dynamic_cast<const TextInput&>(*task).inputs_of(line).at("x")[0];
  const at::Tensor vectors = at::embedding(model.weight().detach(), x);
  EXPECT_TRUE(at::equal(vectors, at::tensor({1.f, 2.f, 3.f, 4.f, 0.f, 0.f}).view({3, 2})));
  EXPECT_TRUE(at::equal(model.weight().detach().narrow(0, rows, 3), behind));
  EXPECT_TRUE(model.weight().requires_grad());

  WithEmbedding narrow(rows, 3), few(rows - 1, 2);
  EXPECT_THROW(begin_with(narrow, first), InvalidArgument);
  EXPECT_THROW(begin_with(few, first), InvalidArgument);
  EXPECT_THROW(begin_with(model, {{"table.weight", at::zeros({1, 2})}}), InvalidArgument);
}

TEST(ReviewTask, unknown_vectors_can_be_drawn_but_not_those_of_the_special_tokens) {
  const io::TemporaryFolder folder;
  std::ofstream(folder / "v.txt") << "good 1 2\n";
  const auto task = make({{"embeddings", folder / "v.txt"}, {"unknown_vectors", "normal"}});
  const at::Tensor v =
      dynamic_cast<const InitialWeights&>(*task).initial_weights().at("embedding.weight");
  EXPECT_EQ(v.narrow(0, 0, 2).abs().max().item<double>(), 0);
  EXPECT_EQ(v.narrow(0, 2, v.size(0) - 2).eq(0).sum().item<int64_t>(), 0);
}

TEST(ReviewTask, more_reviews_than_there_are_are_refused) {
  EXPECT_THROW(make({{"train_size", 16}}), InvalidArgument);
  EXPECT_THROW(make({{"test_size", 21}}), InvalidArgument);
}

}  // namespace
}  // namespace tessera
