#include "tessera/data/permutation.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tessera/core/error.h"
#include "tessera/io/temporary_folder.h"
#include "tessera/io/tensor_file.h"

namespace tessera::data {
namespace {

using List = std::vector<int64_t>;

List first(const List& list, size_t count) { return {list.begin(), list.begin() + count}; }

template <class E>
std::string message_of(const std::string& name, int64_t n) {
  try {
    named_permutation(name, n);
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

TEST(Permutation, torch_order_is_that_of_randperm) {
  EXPECT_EQ(first(torch_permutation(5544, 784), 6), (List{327, 72, 48, 129, 109, 101}));
  const List other = torch_permutation(1, 784);
  EXPECT_EQ((List{other.end() - 4, other.end()}), (List{338, 483, 771, 103}));
  EXPECT_EQ(named_permutation("reference_unicornn", 784), torch_permutation(5544, 784));
  EXPECT_EQ(named_permutation("torch:1", 784), other);
}

TEST(Permutation, numpy_order_is_that_of_RandomState) {
  EXPECT_EQ(first(numpy_permutation(0, 784), 6), (List{693, 85, 647, 392, 765, 14}));
  EXPECT_EQ(named_permutation("numpy:0", 784), numpy_permutation(0, 784));
}

TEST(Permutation, lmu2019_draws_the_samples_before_the_pixels) {
  const Lmu2019Orders orders = lmu2019_orders();
  EXPECT_EQ(first(orders.samples, 6), (List{6820, 11854, 9635, 45077, 18764, 22779}));
  EXPECT_EQ(first(orders.pixels, 6), (List{46, 466, 537, 44, 515, 589}));
  EXPECT_EQ(orders.samples.size(), 60000u);
  EXPECT_EQ(named_permutation("lmu2019", 784), orders.pixels);
}

TEST(Permutation, each_order_has_every_step_once) {
  for (const char* name : {"none", "torch:7", "numpy:7"}) {
    for (const int64_t n : {1, 2, 31}) {
      List order = named_permutation(name, n);
      std::ranges::sort(order);
      EXPECT_EQ(order, named_permutation("none", n)) << name << " " << n;
    }
  }
}

TEST(Permutation, a_file_may_name_the_order) {
  const io::TemporaryFolder folder;
  const std::string path = folder / "order.safetensors";
  io::write_tensor_file(path, {{"permutation", at::tensor({2, 0, 1}, at::kInt)}});
  EXPECT_EQ(named_permutation("file:" + path, 3), (List{2, 0, 1}));
  EXPECT_NE(message_of<BadFile>("file:" + path, 4).find("another shape"), std::string::npos);

  io::write_tensor_file(path, {{"permutation", at::tensor({2, 0, 2}, at::kLong)}});
  EXPECT_NE(message_of<BadFile>("file:" + path, 3).find("missing or double"), std::string::npos);
  io::write_tensor_file(path, {{"order", at::tensor({0}, at::kLong)}});
  EXPECT_NE(message_of<BadFile>("file:" + path, 1).find("no such tensor"), std::string::npos);
}

TEST(Permutation, a_wrong_name_says_what_is_known) {
  EXPECT_NE(message_of<InvalidArgument>("shuffled", 3).find("torch:SEED"), std::string::npos);
  EXPECT_NE(message_of<InvalidArgument>("torch:x", 3).find("T-PERM-01"), std::string::npos);
  EXPECT_NE(message_of<InvalidArgument>("numpy:4294967296", 3).find("T-PERM-01"),
            std::string::npos);
  EXPECT_NE(message_of<InvalidArgument>("lmu2019", 3).find("784"), std::string::npos);
}

}  // namespace
}  // namespace tessera::data
