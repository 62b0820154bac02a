#include "tessera/core/tensor_map.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tessera/core/error.h"
#include "tessera/core/registry.h"
#include "tessera/core/rng.h"
#include "tessera/core/threads.h"

namespace tessera {
namespace {

TEST(TensorMap, keeps_the_order_of_insertion_and_replaces_in_place) {
  TensorMap map{{"b", torch::ones(1)}, {"a", torch::ones(2)}};
  map.set("c", torch::ones(3));
  map.set("b", torch::ones(4));
  EXPECT_EQ(map.names(), (std::vector<std::string>{"b", "a", "c"}));
  EXPECT_EQ(map.at("b").numel(), 4);
  EXPECT_TRUE(map.erase("b"));
  EXPECT_FALSE(map.erase("b"));
  EXPECT_EQ(map.at("c").numel(), 3);
  EXPECT_EQ(map.names(), (std::vector<std::string>{"a", "c"}));
}

TEST(TensorMap, a_missing_name_is_answered_with_the_nearest) {
  const TensorMap map{{"edge_index", torch::ones(1)}};
  try {
    map.at("edge_idx");
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("Did you mean \"edge_index\"?"), std::string::npos);
  }
  EXPECT_FALSE(map.get("edge_idx").defined());
}

TEST(TensorMap, prefixes_come_and_go) {
  const TensorMap map{{"weight/a", torch::ones(1)}, {"input/x", torch::ones(2)}};
  EXPECT_EQ(map.with_prefix("weight/").names(), std::vector<std::string>{"a"});
  EXPECT_EQ(map.with_prefix("input/").prefixed("batch/").names(),
            std::vector<std::string>{"batch/x"});
}

TEST(TensorMap, to_casts_only_floating_tensors) {
  const TensorMap map{{"x", torch::ones(1)}, {"index", torch::ones(1, torch::kLong)}};
  const TensorMap cast = map.to(torch::kCPU, torch::kDouble);
  EXPECT_EQ(cast.at("x").scalar_type(), torch::kDouble);
  EXPECT_EQ(cast.at("index").scalar_type(), torch::kLong);
}

TEST(Rng, streams_are_independent_and_named) {
  Rng a(7), b(7);
  const auto x = torch::rand({4}, a.stream("noise"));
  torch::rand({100}, b.stream("shuffle"));
  EXPECT_TRUE(torch::equal(x, torch::rand({4}, b.stream("noise"))));
  EXPECT_FALSE(torch::equal(x, torch::rand({4}, Rng(8).stream("noise"))));
}

TEST(Rng, a_restored_state_continues_where_it_was) {
  Rng rng(3);
  torch::rand({5}, rng.stream("noise"));
  const TensorMap state = rng.state();
  const auto expected = torch::randn({7}, rng.stream("noise"));
  Rng other(99);
  other.restore(state);
  EXPECT_TRUE(torch::equal(expected, torch::randn({7}, other.stream("noise"))));
  EXPECT_THROW(other.restore({{"noise", torch::zeros(3, torch::kByte)}}), InvalidArgument);
}

TEST(Registry, wildcards_and_nearest_names) {
  struct Entry {
    std::string name;
  };
  Registry<Entry> registry("system");
  registry.add({"egnn"});
  registry.add({"lmu"});
  EXPECT_EQ(registry.matching("*").size(), 2u);
  EXPECT_EQ(registry.at("lmu").name, "lmu");
  EXPECT_THROW(registry.matching("x*"), InvalidArgument);
  EXPECT_THROW(registry.add({"lmu"}), Internal);
  try {
    registry.at("egn");
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("Did you mean \"egnn\"?"), std::string::npos);
  }
}

TEST(Threads, zero_takes_all_cores_and_a_negative_number_is_refused) {
  EXPECT_GE(set_threads(0), 1);
  EXPECT_EQ(set_threads(1), 1);
  EXPECT_EQ(threads(), 1);
  EXPECT_THROW(set_threads(-1), InvalidArgument);
  set_threads(0);
}

TEST(Error, a_message_has_rule_value_next_step_and_id) {
  try {
    fail<BadFile>({.where = "npy",
                   .rule = "the version is 1, 2 or 3",
                   .got = "9",
                   .next = "Save it again.",
                   .id = "T-NPY-01"});
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "[npy] the version is 1, 2 or 3, but got 9. Save it again.  (T-NPY-01)");
    EXPECT_EQ(error.exit_code(), ExitCode::kBadFile);
    EXPECT_EQ(error.id(), "T-NPY-01");
  }
}

}  // namespace
}  // namespace tessera
