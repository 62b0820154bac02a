#include "tessera/ops/max_pool.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

namespace tessera::ops {
namespace {

at::Tensor maps(int64_t batch, int64_t channels, int64_t height, int64_t width) {
  return at::randn({batch, channels, height, width}).contiguous(at::MemoryFormat::ChannelsLast);
}

TEST(MaxPool, is_the_plain_one_bit_for_bit_at_every_size) {
  at::manual_seed(0);
  for (const int64_t channels : {1, 3, 8, 15, 16, 17, 45, 64}) {
    for (const auto& [kernel, stride] :
         std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {2, 2}, {3, 1}, {3, 2}, {2, 3}, {4, 1}}) {
      for (const auto& [height, width] :
           std::vector<std::pair<int64_t, int64_t>>{{4, 4}, {5, 9}, {22, 7}}) {
        const at::Tensor x = maps(3, channels, height, width);
        const at::Tensor got = max_pool(x, kernel, stride, 0);
        EXPECT_TRUE(at::equal(got, max_pool_plain(x, kernel, stride, 0)))
            << channels << " " << kernel << " " << stride << " " << height << " " << width;
        EXPECT_TRUE(got.is_contiguous(at::MemoryFormat::ChannelsLast));
      }
    }
  }
}

TEST(MaxPool, bytes_are_pooled_likewise) {
  for (const int64_t channels : {1, 16, 45, 64, 65, 130}) {
    const at::Tensor x =
        at::randint(256, {2, channels, 9, 8}, at::kByte).contiguous(at::MemoryFormat::ChannelsLast);
    for (const int64_t stride : {1, 2}) {
      EXPECT_TRUE(at::equal(max_pool(x, 3, stride, 0), max_pool_plain(x, 3, stride, 0)));
    }
  }
}

TEST(MaxPool, many_rows_are_shared_between_threads) {
  const at::Tensor x = maps(40, 32, 22, 52);
  EXPECT_TRUE(at::equal(max_pool(x, 3, 2, 0), max_pool_plain(x, 3, 2, 0)));
}

TEST(MaxPool, a_window_with_a_nan_gives_nan_and_infinities_count) {
  at::Tensor x = maps(1, 16, 4, 4);
  x.index_put_({at::tensor(0), at::tensor(5), at::tensor(1), at::tensor(1)},
               at::tensor(std::numeric_limits<float>::quiet_NaN()));
  x.select(1, 6).fill_(-std::numeric_limits<float>::infinity());
  const at::Tensor got = max_pool(x, 2, 2, 0), plain = max_pool_plain(x, 2, 2, 0);
  EXPECT_TRUE(got.isnan().eq(plain.isnan()).all().item<bool>());
  EXPECT_TRUE(got[0][5][0][0].isnan().item<bool>());
  EXPECT_TRUE(at::equal(got.nan_to_num(7), plain.nan_to_num(7)));
}

TEST(MaxPool, what_the_kernel_does_not_take_goes_through_the_plain_form) {
  const at::Tensor x = maps(2, 5, 6, 6);
  EXPECT_TRUE(at::equal(max_pool(x, 3, 2, 1), max_pool_plain(x, 3, 2, 1)));
  EXPECT_TRUE(at::equal(max_pool(x.to(at::kDouble), 2, 2, 0), max_pool_plain(x, 2, 2, 0)));
  EXPECT_TRUE(at::equal(max_pool(x.contiguous(), 2, 2, 0), max_pool_plain(x, 2, 2, 0)));
  EXPECT_EQ(max_pool(x.narrow(0, 0, 0), 2, 2, 0).size(0), 0);
  EXPECT_ANY_THROW(max_pool(x, 7, 1, 0));
}

}  // namespace
}  // namespace tessera::ops
