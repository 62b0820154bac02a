#include "tessera/systems/lmu/form_choice.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include "tessera/core/rng.h"
#include "tessera/systems/lmu/model.h"

// What `auto` takes, by shape alone.

namespace tessera::lmu {
namespace {

TEST(FormChoice, folds_a_map_whose_product_or_states_cost_more_than_its_channels) {
  EXPECT_TRUE(folding_is_faster({.batch = 8, .length = 1024, .order = 256, .outputs = 256}));
  EXPECT_TRUE(folding_is_faster({.batch = 3, .length = 100, .order = 40, .outputs = 24}));
  EXPECT_FALSE(folding_is_faster({.batch = 8, .length = 1024, .order = 8, .outputs = 512}));
  // A call more than the work: the kernel's own product is not worth it.
  EXPECT_FALSE(folding_is_faster({.batch = 1, .length = 4, .order = 3, .outputs = 2}));
}

/// What a model in mode auto answers, with gradients or without.
at::Tensor outputs(const std::string& mode, int64_t order, int64_t width, bool trains) {
  LmuConfig config;
  read_config(config, {{"mode", mode},
                       {"input_dim", 2},
                       {"order", order},
                       {"hidden_dim", width},
                       {"theta", 40},
                       {"return_sequences", true}});
  seed_default_generators(1);
  const auto model = make_model(config);
  model->train(trains);
  const at::AutoGradMode grad(trains);
  const auto generator = at::detail::createCPUGenerator(3);
  return model->run({{"x", torch::randn({3, 100, 2}, generator)}}).at("h").detach();
}

TEST(FormChoice, is_the_same_in_training_to_the_bit) {
  for (const auto& [order, width] : {std::pair<int64_t, int64_t>{40, 24}, {4, 100}}) {
    const at::Tensor evaluated = outputs("auto", order, width, false);
    EXPECT_TRUE(evaluated.equal(outputs("auto", order, width, true))) << order;
    EXPECT_TRUE(evaluated.equal(outputs("fft", order, width, false))) << order;
  }
}

}  // namespace
}  // namespace tessera::lmu
