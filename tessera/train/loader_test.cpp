#include "tessera/train/loader.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>

#include "tessera/core/error.h"

namespace tessera::train {
namespace {

std::vector<int64_t> take(Loader& loader, int batches) {
  std::vector<int64_t> taken;
  for (int i = 0; i < batches; ++i) {
    const auto batch = loader.next();
    taken.insert(taken.end(), batch.begin(), batch.end());
  }
  return taken;
}

TEST(Loader, an_epoch_is_a_permutation_and_the_next_is_another) {
  Rng rng(1);
  Loader loader(10, 4, /*shuffle=*/true, /*drop_last=*/false, rng);
  EXPECT_EQ(loader.batches_per_epoch(), 3);
  auto first = take(loader, 3), second = take(loader, 3);
  EXPECT_EQ(loader.epoch(), 1);
  EXPECT_NE(first, second);
  std::sort(first.begin(), first.end());
  std::sort(second.begin(), second.end());
  EXPECT_EQ(first, second);
  EXPECT_EQ(first.size(), 10u);
}

TEST(Loader, drop_last_leaves_full_batches) {
  Rng rng(1);
  Loader loader(10, 4, /*shuffle=*/false, /*drop_last=*/true, rng);
  EXPECT_EQ(take(loader, 4),
            (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(Loader, goes_on_from_a_position_in_mid_epoch) {
  for (const int taken : {0, 1, 3, 4, 5}) {
    Rng rng(1), other(2);
    Loader loader(10, 4, true, false, rng), resumed(10, 4, true, false, other);
    take(loader, taken);
    resumed.restore(loader.epoch(), loader.batches_taken(), loader.epoch_generator());
    EXPECT_EQ(take(loader, 7), take(resumed, 7)) << taken;
    EXPECT_EQ(loader.epoch(), resumed.epoch());
  }
}

TEST(Loader, an_epoch_without_a_batch_is_refused) {
  Rng rng(1);
  EXPECT_THROW(Loader(3, 4, true, /*drop_last=*/true, rng), InvalidArgument);
  EXPECT_THROW(Loader(0, 4, true, false, rng), InvalidArgument);
  Loader loader(10, 4, true, false, rng);
  EXPECT_THROW(loader.restore(0, 4, loader.epoch_generator()), InvalidArgument);
}

}  // namespace
}  // namespace tessera::train
