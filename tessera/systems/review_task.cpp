#include "tessera/systems/review_task.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "tessera/core/error.h"
#include "tessera/data/permutation.h"
#include "tessera/data/words.h"
#include "tessera/systems/sequence_tasks.h"
#include "tessera/systems/task_extras.h"

namespace tessera {
namespace {

constexpr int64_t kMostReviews = 25000;

/// Reviews as tokens, one behind the other.
struct PackedReviews {
  std::vector<int32_t> tokens;
  std::vector<size_t> ends = {0};  ///< of each review, after a leading 0
  std::vector<float> labels;

  int64_t size() const { return std::ssize(labels); }
  std::span<const int32_t> operator[](int64_t i) const {
    const auto at = static_cast<size_t>(i);
    return std::span(tokens).subspan(ends[at], ends[at + 1] - ends[at]);
  }
};

class ReviewTask final : public Task, public InitialWeights, public TextInput {
 public:
  ReviewTask(const ReviewConfig& config, const data::ReviewData& reviews,
             const TaskContext& context)
      : config_(config), dtype_(context.dtype), data_root_(context.data_root), vocabulary_({}, 0) {
    const auto say = [&](const char* what, double fraction) {
      if (context.progress) context.progress(what, fraction);
    };
    need(config.train_size + config.valid_size, reviews.train, "training and validation");
    need(config.test_size, reviews.test, "test");
    const auto seed = static_cast<uint64_t>(config.split_seed);
    const auto train_order = data::torch_permutation(seed, std::ssize(reviews.train));
    const auto test_order = data::torch_permutation(seed, std::ssize(reviews.test));
    const int64_t test_size = config.test_size > 0 ? config.test_size : std::ssize(reviews.test);
    const std::array<Choice, 3> choices = {
        {{reviews.train, std::span(train_order).first(static_cast<size_t>(config.train_size))},
         {reviews.train, std::span(train_order).last(static_cast<size_t>(config.valid_size))},
         {reviews.test, std::span(test_order).first(static_cast<size_t>(test_size))}}};
    std::array<std::vector<std::vector<std::string>>, 3> words;
    for (size_t i = 0; i < choices.size(); ++i) {
      say("cutting the reviews into words", static_cast<double>(1 + i) / 4);
      for (const int64_t index : choices[i].indices) {
        words[i].push_back(
            data::tokenize(choices[i].reviews[static_cast<size_t>(index)].text, tokenizer()));
      }
    }
    vocabulary_ = data::Vocabulary(words[0], config.vocab_size);
    for (size_t i = 0; i < choices.size(); ++i) {
      for (size_t k = 0; k < words[i].size(); ++k) {
        const auto& review = choices[i].reviews[static_cast<size_t>(choices[i].indices[k])];
        append(splits_[i], words[i][k], review.is_good);
      }
    }
  }

  int64_t size(Split split) const override { return of(split).size(); }

  TensorMap batch(std::span<const int64_t> examples, BatchContext& context) const override {
    const PackedReviews& reviews = of(context.split);
    std::vector<std::span<const int32_t>> rows;
    const at::Tensor y = at::empty({std::ssize(examples)}, at::kFloat);
    for (size_t k = 0; k < examples.size(); ++k) {
      rows.push_back(reviews[examples[k]]);
      y.mutable_data_ptr<float>()[k] = reviews.labels[static_cast<size_t>(examples[k])];
    }
    TensorMap batch = collate(rows);
    batch.set("y", y.to(dtype_));
    return batch;
  }

  at::Tensor loss(const TensorMap& outputs, const TensorMap& batch) const override {
    return at::binary_cross_entropy_with_logits(logits_of(outputs), batch.at("y"));
  }

  void measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const override {
    const at::Tensor& y = batch.at("y");
    const auto weight = static_cast<double>(y.size(0));
    const at::Tensor chosen = logits_of(outputs).sigmoid().round();
    tally.add("loss", loss(outputs, batch).item<double>(), weight);
    tally.add("accuracy", 100 * chosen.eq(y).sum().item<double>() / weight, weight);
  }

  std::string selection_metric() const override { return "accuracy"; }
  bool larger_is_better() const override { return true; }

  /// Read only now: who evaluates a trained model needs no vectors.
  TensorMap initial_weights() const override {
    if (config_.embeddings.empty()) return {};
    return {{"embedding.weight", read_vectors()}};
  }

  TensorMap inputs_of(std::span<const std::string> lines) const override {
    PackedReviews reviews;
    std::vector<std::span<const int32_t>> rows;
    for (const std::string& line : lines) append(reviews, data::tokenize(line, tokenizer()), false);
    for (int64_t i = 0; i < reviews.size(); ++i) rows.push_back(reviews[i]);
    return collate(rows);
  }

 private:
  struct Choice {
    const std::vector<data::Review>& reviews;
    std::span<const int64_t> indices;
  };

  const PackedReviews& of(Split split) const { return splits_[static_cast<size_t>(split)]; }
  data::TokenizerOptions tokenizer() const { return {.lower_case = config_.lower_case}; }

  static void need(int64_t wanted, const std::vector<data::Review>& there, const char* what) {
    if (wanted <= std::ssize(there)) return;
    fail<InvalidArgument>(
        {.where = "imdb",
         .rule = "there are " + std::to_string(there.size()) + " reviews for " + what,
         .got = std::to_string(wanted),
         .next = "Lower task.train_size, valid_size or test_size.",
         .id = "T-SEQ-05"});
  }

  void append(PackedReviews& reviews, std::span<const std::string> words, bool is_good) const {
    const auto most = static_cast<size_t>(config_.max_length);
    if (most > 0 && words.size() > most) {
      words = config_.truncate == "end" ? words.first(most) : words.last(most);
    }
    for (const int64_t token : vocabulary_.encode(words)) {
      reviews.tokens.push_back(static_cast<int32_t>(token));
    }
    // A review without a word still is an example: models need a step to read.
    if (words.empty()) reviews.tokens.push_back(data::Vocabulary::kUnknown);
    reviews.ends.push_back(reviews.tokens.size());
    reviews.labels.push_back(is_good ? 1 : 0);
  }

  TensorMap collate(const std::vector<std::span<const int32_t>>& rows) const {
    size_t longest = 0;
    for (const auto row : rows) longest = std::max(longest, row.size());
    const bool is_front = config_.padding == "front";
    const at::Tensor x = at::full({std::ssize(rows), static_cast<int64_t>(longest)},
                                  data::Vocabulary::kPadding, at::kLong);
    const at::Tensor lengths = at::empty({std::ssize(rows)}, at::kLong);
    for (size_t k = 0; k < rows.size(); ++k) {
      int64_t* row = x.mutable_data_ptr<int64_t>() + k * longest;
      std::ranges::copy(rows[k], is_front ? row + (longest - rows[k].size()) : row);
      lengths.mutable_data_ptr<int64_t>()[k] = std::ssize(rows[k]);
    }
    TensorMap batch = {{"x", x}};
    if (!is_front) batch.set("lengths", lengths);
    return batch;
  }

  static at::Tensor logits_of(const TensorMap& outputs) {
    const at::Tensor& logits = outputs.at("logits");
    return logits.dim() == 2 ? logits.squeeze(1) : logits;
  }

  at::Tensor read_vectors() const {
    namespace fs = std::filesystem;
    const fs::path given(config_.embeddings), below = fs::path(data_root_) / given;
    const data::VocabularyVectors read =
        data::load_vectors((fs::exists(given) ? given : below).string(), vocabulary_);
    const at::Tensor vectors = at::empty({vocabulary_.size(), read.dim}, at::kFloat);
    std::ranges::copy(read.values, vectors.mutable_data_ptr<float>());
    if (config_.unknown_vectors == "normal") {
      const auto generator =
          at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(config_.split_seed));
      for (int64_t i = data::Vocabulary::kFirstWord; i < vocabulary_.size(); ++i) {
        if (!read.has_vector[static_cast<size_t>(i)]) vectors[i].normal_(0, 1, generator);
      }
    }
    return vectors.to(dtype_);
  }

  ReviewConfig config_;
  at::ScalarType dtype_;
  std::string data_root_;
  data::Vocabulary vocabulary_;
  std::array<PackedReviews, 3> splits_;
};

}  // namespace

void ReviewConfig::fields(FieldList& list) {
  list("vocab_size", vocab_size,
       {.help = "most frequent words of the training reviews that are told apart; the model's "
                "vocabulary has two more, 0 unknown and 1 padding",
        .min = 1,
        .max = 1e7});
  list("lower_case", lower_case, {.help = "take capitals as small letters"});
  list("max_length", max_length,
       {.help = "words of a review that are read; 0: all", .unit = "words", .min = 0});
  list("truncate", truncate,
       {.help = "which end of a longer review is left out", .one_of = {"end", "front"}});
  list("padding", padding,
       {.help = "where a shorter review of a batch is filled up with token 1; behind it, the "
                "lengths are given to the model too",
        .one_of = {"end", "front"}});
  list("embeddings", embeddings,
       {.help = "word vectors in GloVe's text format that the model begins with, a path or below "
                "the data root; empty: none"});
  list("unknown_vectors", unknown_vectors,
       {.help = "vectors of words that the file lacks: zero, or N(0, 1) as the authors' loader",
        .one_of = {"zero", "normal"}});
  list("train_size", train_size,
       {.help = "training reviews, of the 25,000", .min = 1, .max = kMostReviews});
  list("valid_size", valid_size,
       {.help = "validation reviews, of the same 25,000", .min = 0, .max = kMostReviews});
  list("test_size", test_size,
       {.help = "test reviews, in a random order; 0: all 25,000", .min = 0, .max = kMostReviews});
  list("split_seed", split_seed, {.help = "seed of the random split", .min = 0, .max = 4294967295});
}

std::unique_ptr<Task> make_review_task(const ReviewConfig& config, const data::ReviewData& reviews,
                                       const TaskContext& context) {
  return std::make_unique<ReviewTask>(config, reviews, context);
}

TaskFactory imdb_task() {
  return task_factory<ReviewConfig>("imdb", "reviews of films, good or bad, word by word",
                                    [](const ReviewConfig& config, const TaskContext& context) {
                                      if (context.progress)
                                        context.progress("reading the reviews", 0);
                                      return make_review_task(
                                          config, data::load_imdb(context.data_root), context);
                                    });
}

}  // namespace tessera
