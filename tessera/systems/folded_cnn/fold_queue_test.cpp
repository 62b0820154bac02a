#include "tessera/systems/folded_cnn/fold_queue.h"

#include <gtest/gtest.h>

#include <atomic>

#include "tessera/systems/folded_cnn/test_inputs.h"

namespace tessera::folded_cnn {
namespace {

using testing::error_of;
using testing::random_images;
using testing::small_model;

constexpr QueueOptions kNoBound{.max_wait = std::nullopt};

TEST(FoldQueue, groups_are_those_of_the_order_of_arrival) {
  const auto model = small_model({{"fold", 3}, {"remainder", "pad"}});
  const at::Tensor images = random_images(8);
  const at::NoGradGuard no_grad;
  const at::Tensor together = model->run({{"images", images}}).at("logits");
  // Not to the bit: how many groups a pass takes depends on who has arrived by then.
  EXPECT_TRUE(at::allclose(classify_through_queue(*model, images), together, 1e-12, 1e-13));
  EXPECT_TRUE(
      at::allclose(model->predict({{"images", images}}).at("logits"), together, 1e-12, 1e-13));
}

TEST(FoldQueue, an_incomplete_group_waits_until_it_is_flushed) {
  const auto model = small_model({{"fold", 4}});
  const at::Tensor images = random_images(2);
  FoldQueue queue(*model, kNoBound);
  auto first = queue.submit(images[0]);
  auto second = queue.submit(images[1]);
  EXPECT_EQ(queue.statistics().groups, 0);
  queue.flush();
  EXPECT_EQ(first.get().size(0), 5);
  EXPECT_EQ(second.get().size(0), 5);
  EXPECT_EQ(queue.statistics().requests, 2);
  EXPECT_EQ(queue.statistics().groups, 1);
  EXPECT_EQ(queue.statistics().padded, 2);
}

TEST(FoldQueue, the_oldest_request_is_answered_when_its_wait_is_over) {
  const auto model = small_model({{"fold", 4}});
  FoldQueue queue(*model, {.max_wait = std::chrono::microseconds(100)});
  // Nobody else comes and nobody flushes: without the bound this would never return.
  EXPECT_EQ(queue.submit(random_images(1)[0]).get().size(0), 5);
  EXPECT_EQ(queue.statistics().padded, 3);
}

TEST(FoldQueue, a_whole_group_starts_at_once) {
  const auto model = small_model({{"fold", 2}});
  const at::Tensor images = random_images(2);
  FoldQueue queue(*model, kNoBound);
  auto first = queue.submit(images[0]);
  auto second = queue.submit(images[1]);
  EXPECT_EQ(first.get().size(0), 5);
  EXPECT_EQ(second.get().size(0), 5);
  EXPECT_EQ(queue.statistics().padded, 0);
}

TEST(FoldQueue, requests_come_from_many_threads_and_all_are_answered) {
  const auto model = small_model({{"fold", 3}});
  constexpr int64_t kThreads = 4, kEach = 9;
  FoldQueue queue(*model, {.max_wait = std::chrono::microseconds(200), .max_groups = 2});
  std::vector<std::thread> clients;
  std::atomic<int64_t> answered = 0;
  for (int64_t t = 0; t < kThreads; ++t) {
    clients.emplace_back([&, t] {
      const at::Tensor images = random_images(kEach, static_cast<uint64_t>(t));
      for (int64_t i = 0; i < kEach; ++i) answered += queue.submit(images[i]).get().size(0) == 5;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(answered, kThreads * kEach);
  const QueueStatistics seen = queue.statistics();
  EXPECT_EQ(seen.requests, kThreads * kEach);
  EXPECT_EQ(seen.groups * 3 - seen.padded, kThreads * kEach);
}

TEST(FoldQueue, its_end_answers_what_waits) {
  const auto model = small_model({{"fold", 4}});
  std::future<at::Tensor> answer;
  {
    FoldQueue queue(*model, kNoBound);
    answer = queue.submit(random_images(1)[0]);
  }
  EXPECT_EQ(answer.get().size(0), 5);
}

TEST(FoldQueue, what_does_not_fit_is_refused) {
  const auto model = small_model({{"fold", 2}});
  EXPECT_EQ(error_of([&] { FoldQueue(*model, {.max_groups = 0}); }), "T-FCNN-20");
  FoldQueue queue(*model, kNoBound);
  EXPECT_EQ(error_of([&] { queue.submit(random_images(1)); }), "T-FCNN-21");
  EXPECT_EQ(error_of([&] { queue.submit(random_images(1)[0].to(at::kFloat)); }), "T-FCNN-21");
  EXPECT_EQ(error_of([&] { classify_through_queue(*model, random_images(1)[0]); }), "T-FCNN-22");
  model->train();
  EXPECT_EQ(error_of([&] { FoldQueue another(*model); }), "T-FCNN-20");
}

}  // namespace
}  // namespace tessera::folded_cnn
