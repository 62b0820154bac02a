#include "tessera/train/batch_maker.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

namespace tessera::train {
namespace {

/// Batches of an example's number, the epoch and a draw for each; example `bad` cannot be made.
class Numbers final : public Task {
 public:
  explicit Numbers(int64_t bad = -1) : bad_(bad) {}
  void begin_epoch(int64_t epoch) override { epoch_ = epoch; }
  int64_t size(Split) const override { return 10; }
  TensorMap batch(std::span<const int64_t> examples, BatchContext& context) const override {
    const at::Tensor batch = at::empty({static_cast<int64_t>(examples.size()), 3}, at::kDouble);
    const at::Tensor noise = at::randn({batch.size(0)}, context.generator, at::kDouble);
    for (int64_t i = 0; i < batch.size(0); ++i) {
      const int64_t example = examples[static_cast<size_t>(i)];
      if (example == bad_) throw std::runtime_error("no such example");
      batch[i][0] = example;
      batch[i][1] = epoch_;
    }
    batch.select(1, 2).copy_(noise);
    ++made_;
    threads_ = at::get_num_threads();
    return {{"x", batch}};
  }
  at::Tensor loss(const TensorMap&, const TensorMap&) const override { return {}; }
  void measure(const TensorMap&, const TensorMap&, Tally&) const override {}

  int64_t made() const { return made_; }
  int threads() const { return threads_; }

 private:
  int64_t bad_, epoch_ = -1;
  mutable std::atomic<int64_t> made_ = 0;
  mutable std::atomic<int> threads_ = 0;
};

/// A loader of shuffled batches of four and its maker.
struct Fixture {
  explicit Fixture(int64_t ahead, int64_t bad = -1)
      : task(bad), rng(3), loader(10, 4, true, false, rng), maker(task, loader, rng, ahead) {}

  Numbers task;
  Rng rng;
  Loader loader;
  BatchMaker maker;
};

TEST(BatchMaker, batches_and_streams_are_those_of_no_thread_at_every_point) {
  for (const int64_t ahead : {1, 2, 7}) {
    Fixture plain(0), threaded(ahead);
    for (int i = 0; i < 8; ++i) {
      EXPECT_TRUE(at::equal(plain.maker.next().at("x"), threaded.maker.next().at("x"))) << i;
      EXPECT_EQ(plain.loader.epoch(), threaded.loader.epoch());
      EXPECT_EQ(plain.loader.batches_taken(), threaded.loader.batches_taken());
      for (const char* stream : {"noise", "shuffle"}) {
        EXPECT_TRUE(at::equal(plain.rng.stream(stream).get_state(),
                              threaded.rng.stream(stream).get_state()))
            << stream << " after batch " << i << ", " << ahead << " ahead";
      }
    }
  }
}

TEST(BatchMaker, goes_on_from_a_saved_position_in_mid_epoch) {
  Fixture whole(2), resumed(2);
  for (int i = 0; i < 4; ++i) whole.maker.next();
  resumed.rng.restore(whole.rng.state());
  resumed.loader.restore(whole.loader.epoch(), whole.loader.batches_taken(),
                         whole.loader.epoch_generator());
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(at::equal(whole.maker.next().at("x"), resumed.maker.next().at("x"))) << i;
  }
}

TEST(BatchMaker, makes_what_was_asked_ahead_and_nothing_past_the_epoch) {
  Fixture fixture(2);
  fixture.maker.next();
  fixture.maker.wait();
  EXPECT_EQ(fixture.task.made(), 3);  // an epoch has three batches
  fixture.maker.next();
  fixture.maker.next();
  fixture.maker.wait();
  EXPECT_EQ(fixture.task.made(), 3);
}

TEST(BatchMaker, its_thread_computes_with_one_core_and_leaves_the_caller_s) {
  const int before = at::get_num_threads();
  at::set_num_threads(2);
  {
    Fixture fixture(1);
    fixture.maker.next();
    EXPECT_EQ(fixture.task.threads(), 1);
    EXPECT_EQ(at::get_num_threads(), 2);
  }
  at::set_num_threads(before);
}

TEST(BatchMaker, an_error_comes_with_its_batch) {
  Rng rng(3);
  Loader order(10, 4, true, false, rng);
  const int64_t bad = order.peek(1).front();
  Fixture fixture(2, bad);
  EXPECT_NO_THROW(fixture.maker.next());
  EXPECT_THROW(fixture.maker.next(), std::runtime_error);
}

}  // namespace
}  // namespace tessera::train
