#include "tessera/systems/series_tasks.h"

#include <ATen/ATen.h>

#include <array>
#include <cmath>

#include "tessera/core/error.h"
#include "tessera/data/generated_series.h"
#include "tessera/data/permutation.h"
#include "tessera/data/series.h"

namespace tessera {
namespace {

struct SeriesConfig : Config {
  std::string source = "archive";
  std::string split = "random";
  int64_t split_seed = 0;
  double valid_share = 0.15, test_share = 0.15;
  std::string normalise = "none";
  int64_t length = 0;
  int64_t size = 259;
  int64_t generated_seed = 1;

  void fields(FieldList& list) override {
    list("source", source,
         {.help = "the published recordings below the data root, or made-up series of their shape",
          .one_of = {"archive", "generated"}});
    list("split", split,
         {.help = "random: all series are pooled and drawn (by split_seed); files: the test file "
                  "is the test split. A set divided into three files stays so",
          .one_of = {"random", "files"}});
    list("split_seed", split_seed, {.help = "seed of the split", .min = 0, .max = 4294967295});
    list("valid_share", valid_share,
         {.help = "validation's share of all series", .min = 0, .max = 0.9});
    list("test_share", test_share,
         {.help = "random: test's share of all series", .min = 0, .max = 0.9});
    list("normalise", normalise,
         {.help = "none, or each channel by training's mean and standard deviation",
          .one_of = {"none", "standard"}});
    list("length", length,
         {.help = "steps that are kept of each series; 0: all", .unit = "steps", .min = 0});
    list("size", size, {.help = "generated: series", .min = 10, .max = 1e6});
    list("generated_seed", generated_seed,
         {.help = "generated: seed of the series", .min = 0, .max = 4294967295});
  }
  void validate() const override {
    if (valid_share + test_share < 1) return;
    fail<InvalidArgument>({.where = "task",
                           .rule = "valid_share and test_share must leave series to train on",
                           .got = std::to_string(valid_share + test_share),
                           .id = "T-SERT-01"});
  }
};

struct BidmcConfig final : SeriesConfig {
  std::string quantity = "rr";

  BidmcConfig() { size = 512; }
  void fields(FieldList& list) override {
    list("quantity", quantity,
         {.help = "what is predicted: breaths a minute, beats a minute, oxygen in percent",
          .one_of = data::bidmc_quantities()});
    SeriesConfig::fields(list);
  }
};

at::Tensor range(int64_t begin, int64_t end) { return at::arange(begin, end, at::kLong); }

at::Tensor drawn(int64_t seed, int64_t begin, int64_t end) {
  const auto order = data::torch_permutation(static_cast<uint64_t>(seed), end - begin);
  return at::tensor(order, at::kLong).add_(begin);
}

int64_t share_of(double share, int64_t size) {
  return std::llround(share * static_cast<double>(size));
}

/// Indices into the pool of training, validation and test.
std::array<at::Tensor, 3> split_series(const SeriesConfig& config,
                                       const std::vector<int64_t>& sizes, int64_t size) {
  if (sizes.size() == 3) {
    const int64_t valid = sizes[0], test = valid + sizes[1];
    return {range(0, valid), range(valid, test), range(test, size)};
  }
  const int64_t valid = share_of(config.valid_share, size);
  const bool by_files = config.split == "files" && sizes.size() == 2;
  const int64_t test = by_files ? sizes[1] : share_of(config.test_share, size);
  const int64_t train = size - valid - test;
  if (train < 1 || test < 1) {
    fail<InvalidArgument>({.where = "task",
                           .rule = "a split must leave series for training and for test",
                           .got = std::to_string(size) + " series",
                           .next = "Choose other shares.",
                           .id = "T-SERT-02"});
  }
  const at::Tensor order =
      by_files ? at::cat({drawn(config.split_seed, 0, size - test), range(size - test, size)})
               : drawn(config.split_seed, 0, size);
  return {order.narrow(0, 0, train), order.narrow(0, train, valid),
          order.narrow(0, train + valid, test)};
}

/// What both tasks share: three splits of series in memory, a batch of them as x and y.
class SeriesTask : public Task {
 public:
  int64_t size(Split split) const override { return index(split).size(0); }

  TensorMap batch(std::span<const int64_t> examples, BatchContext& context) const override {
    const at::Tensor chosen =
        index(context.split)
            .index_select(
                0, at::tensor(std::vector<int64_t>(examples.begin(), examples.end()), at::kLong));
    return {{"x", values_.index_select(0, chosen).to(dtype_)},
            {"y", answers_.index_select(0, chosen)}};
  }

 protected:
  /// answers: (N), of the pool.
  SeriesTask(const SeriesConfig& config, const data::SeriesData& data, const at::Tensor& answers,
             at::ScalarType dtype)
      : splits_(split_series(config, data.sizes, data.pool.size())),
        values_(data.pool.values),
        answers_(answers),
        dtype_(dtype) {
    if (config.length > values_.size(1)) {
      fail<InvalidArgument>({.where = "task",
                             .rule = "length must be at most the series' " +
                                     std::to_string(values_.size(1)) + " steps",
                             .got = std::to_string(config.length),
                             .id = "T-SERT-03"});
    }
    if (config.length > 0) values_ = values_.narrow(1, 0, config.length);
    if (config.normalise == "standard") standardise();
  }

 private:
  const at::Tensor& index(Split split) const { return splits_[static_cast<size_t>(split)]; }

  void standardise() {
    // Series by series, so that the sums need no second copy of the set.
    at::Tensor sum_F = at::zeros({values_.size(2)}, at::kDouble), square_F = sum_F.clone();
    const at::Tensor& train = index(Split::kTrain);
    for (int64_t i = 0; i < train.size(0); ++i) {
      const at::Tensor x_TF = values_[train[i].item<int64_t>()].to(at::kDouble);
      sum_F += x_TF.mean(0);
      square_F += x_TF.square().mean(0);
    }
    const auto size = static_cast<double>(train.size(0));
    const at::Tensor mean_F = sum_F / size;
    const at::Tensor deviation_F = (square_F / size - mean_F.square()).clamp_min(0).sqrt();
    // A channel that never changes stays at zero.
    const at::Tensor scale_F = at::where(deviation_F > 0, deviation_F, at::ones_like(deviation_F));
    values_ = (values_ - mean_F.to(at::kFloat)).div_(scale_F.to(at::kFloat));
  }

  std::array<at::Tensor, 3> splits_;
  at::Tensor values_, answers_;
  at::ScalarType dtype_;
};

class EigenwormsTask final : public SeriesTask {
 public:
  EigenwormsTask(const SeriesConfig& config, const data::SeriesData& data, at::ScalarType dtype)
      : SeriesTask(config, data, data.pool.labels, dtype) {}

  at::Tensor loss(const TensorMap& outputs, const TensorMap& batch) const override {
    return at::cross_entropy_loss(outputs.at("logits"), batch.at("y"));
  }
  void measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const override {
    const at::Tensor& y = batch.at("y");
    const auto weight = static_cast<double>(y.size(0));
    const double right = outputs.at("logits").argmax(1).eq(y).sum().item<double>();
    tally.add("loss", loss(outputs, batch).item<double>(), weight);
    tally.add("accuracy", 100.0 * right / weight, weight);
  }
  std::string selection_metric() const override { return "accuracy"; }
  bool larger_is_better() const override { return true; }
};

class BidmcTask final : public SeriesTask {
 public:
  BidmcTask(const SeriesConfig& config, const data::SeriesData& data, at::ScalarType dtype)
      : SeriesTask(config, data, data.pool.targets.to(dtype), dtype) {}

  at::Tensor loss(const TensorMap& outputs, const TensorMap& batch) const override {
    const at::Tensor& y = batch.at("y");
    // (B, 1) beside (B) would be broadcast to (B, B).
    return at::mse_loss(outputs.at("logits").reshape_as(y), y);
  }
  void measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const override {
    tally.add("loss", loss(outputs, batch).item<double>(),
              static_cast<double>(batch.at("y").size(0)));
  }
  Metrics metrics(const Tally& tally) const override {
    const double loss = tally.mean("loss");
    return {{"loss", loss}, {"rmse", std::sqrt(loss)}};
  }
  std::string selection_metric() const override { return "rmse"; }
};

data::SeriesData as_pool(data::SeriesSet set) { return {.pool = std::move(set)}; }

}  // namespace

TaskFactory eigenworms_task() {
  return task_factory<SeriesConfig>(
      "eigenworms", "five strains of worms by how they move, 17,984 steps of 6 channels",
      [](const SeriesConfig& config, const TaskContext& context) {
        const int64_t steps = config.length > 0 ? config.length : 17984;
        const data::SeriesData data =
            config.source == "archive"
                ? data::load_eigenworms(context.data_root)
                : as_pool(data::generated_worms(config.size, steps,
                                                static_cast<uint64_t>(config.generated_seed)));
        return std::make_unique<EigenwormsTask>(config, data, context.dtype);
      });
}

TaskFactory bidmc_task() {
  return task_factory<BidmcConfig>(
      "bidmc", "rates of breath and heart, oxygen in the blood, from 4,000 steps of 2 channels",
      [](const BidmcConfig& config, const TaskContext& context) {
        const int64_t steps = config.length > 0 ? config.length : 4000;
        const data::SeriesData data =
            config.source == "archive"
                ? data::load_bidmc(config.quantity, context.data_root)
                : as_pool(data::generated_pulses(config.quantity, config.size, steps,
                                                 static_cast<uint64_t>(config.generated_seed)));
        return std::make_unique<BidmcTask>(config, data, context.dtype);
      });
}

std::vector<data::DataSource> series_data_sources() {
  return {data::eigenworms_source(), data::bidmc_source()};
}

}  // namespace tessera
