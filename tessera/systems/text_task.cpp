#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <numbers>

#include "tessera/core/error.h"
#include "tessera/data/text.h"
#include "tessera/systems/sequence_tasks.h"
#include "tessera/systems/task_extras.h"

namespace tessera {
namespace {

/// What cross entropy passes over.
constexpr int64_t kNotCounted = -100;

struct TextConfig final : Config {
  std::string file = "text8/text8.zip";
  int64_t length = 256;
  int64_t context = 64;

  void fields(FieldList& list) override {
    list("file", file,
         {.help = "a text, a path or below the data root; the model's vocab_size is at least the "
                  "number of its distinct bytes"});
    list("length", length,
         {.help = "characters of a window", .unit = "characters", .min = 1, .max = 1e6});
    list("context", context,
         {.help = "characters at the beginning of validation and test windows that are not counted",
          .unit = "characters",
          .min = 0});
  }
  void validate() const override {
    if (context < length) return;
    fail<InvalidArgument>({.where = "text8",
                           .rule = "context must be below length = " + std::to_string(length),
                           .got = std::to_string(context),
                           .id = "T-SEQ-06"});
  }
};

class TextTask final : public Task, public TextInput {
 public:
  TextTask(const TextConfig& config, const TaskContext& context) : config_(config) {
    namespace fs = std::filesystem;
    const fs::path given(config.file), below = fs::path(context.data_root) / given;
    const std::string path = (fs::exists(given) ? given : below).string();
    if (!fs::exists(path)) {
      fail<Io>({.where = "text8",
                .rule = "the text must lie at " + path,
                .got = "no such file",
                .next = "`tessera data get text8` fetches text8; task.file names another text.",
                .id = "T-SEQ-07"});
    }
    text_ = data::read_text_file(path);
    const int64_t count = std::ssize(text_.places), train = count / 100 * 90,
                  valid = count / 100 * 5;
    ranges_ = {{{0, train}, {train, train + valid}, {train + valid, count}}};
    for (const auto& [begin, end] : ranges_) {
      // A window, the character behind it, and every phase that training may take.
      if (end - begin > 2 * config.length) continue;
      fail<InvalidArgument>({.where = "text8",
                             .rule = "a split must be longer than two windows of " +
                                     std::to_string(config.length) + " characters",
                             .got = std::to_string(end - begin) + " of " + path,
                             .next = "Lower task.length or take a longer text.",
                             .id = "T-SEQ-08"});
    }
  }

  /// The windows of each epoch begin elsewhere, so that no character is always the first.
  void begin_epoch(int64_t epoch) override {
    // Steps of the golden section visit all phases evenly.
    phase_ = static_cast<int64_t>(static_cast<double>(config_.length) *
                                  std::fmod(static_cast<double>(epoch) / std::numbers::phi, 1.0));
  }

  int64_t size(Split split) const override {
    const auto [begin, end] = range(split);
    if (split == Split::kTrain) return (end - begin - config_.length) / config_.length;
    const int64_t step = config_.length - config_.context;
    return (end - begin - 1 - config_.context) / step;
  }

  TensorMap batch(std::span<const int64_t> examples, BatchContext& context) const override {
    const bool is_train = context.split == Split::kTrain;
    const auto [begin, end] = range(context.split);
    const int64_t step = is_train ? config_.length : config_.length - config_.context;
    const at::Tensor x = at::empty({std::ssize(examples), config_.length}, at::kLong);
    const at::Tensor y = at::empty_like(x);
    for (size_t k = 0; k < examples.size(); ++k) {
      const int64_t row = static_cast<int64_t>(k) * config_.length;
      const auto at = text_.places.begin() + begin + examples[k] * step + (is_train ? phase_ : 0);
      std::copy_n(at, config_.length, x.mutable_data_ptr<int64_t>() + row);
      std::copy_n(at + 1, config_.length, y.mutable_data_ptr<int64_t>() + row);
      // The first window has nothing before it that could have been read.
      if (is_train || examples[k] == 0) continue;
      std::fill_n(y.mutable_data_ptr<int64_t>() + row, config_.context, kNotCounted);
    }
    return {{"x", x}, {"y", y}};
  }

  at::Tensor loss(const TensorMap& outputs, const TensorMap& batch) const override {
    return at::cross_entropy_loss(outputs.at("logits").flatten(0, 1), batch.at("y").flatten());
  }

  void measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const override {
    const double counted = batch.at("y").ne(kNotCounted).sum().item<double>();
    const double nats = loss(outputs, batch).item<double>();
    tally.add("loss", nats, counted);
    tally.add("bpc", nats / std::numbers::ln2, counted);
  }

  std::string selection_metric() const override { return "bpc"; }

  TensorMap inputs_of(std::span<const std::string> lines) const override {
    size_t longest = 1;
    for (const std::string& line : lines) longest = std::max(longest, line.size());
    const at::Tensor x = at::zeros({std::ssize(lines), static_cast<int64_t>(longest)}, at::kLong);
    for (size_t k = 0; k < lines.size(); ++k) {
      // Causal: what stands behind a line changes nothing of its own characters.
      std::ranges::copy(text_.encode(lines[k]), x.mutable_data_ptr<int64_t>() + k * longest);
    }
    return {{"x", x}};
  }

 private:
  std::pair<int64_t, int64_t> range(Split split) const {
    return ranges_[static_cast<size_t>(split)];
  }

  TextConfig config_;
  data::Text text_;
  std::array<std::pair<int64_t, int64_t>, 3> ranges_;
  int64_t phase_ = 0;
};

}  // namespace

TaskFactory text8_task() {
  return task_factory<TextConfig>("text8", "the next character of a text",
                                  [](const TextConfig& config, const TaskContext& context) {
                                    return std::make_unique<TextTask>(config, context);
                                  });
}

}  // namespace tessera
