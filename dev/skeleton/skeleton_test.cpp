#include "tessera/systems/skeleton/skeleton.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "tessera/core/refused_test.h"
#include "tessera/systems/skeleton/model.h"
#include "tessera/systems/skeleton/weights.h"

// Invariants of the paper, shapes and errors; equality with the authors' code is in tests/cases.

namespace tessera::skeleton {
namespace {

at::Tensor draw(at::IntArrayRef sizes) {
  return at::randn(sizes, at::detail::createCPUGenerator(1), at::kDouble);
}

TEST(Skeleton, an_example_does_not_see_the_others) {
  Skeleton model{SkeletonConfig{}};
  model.to(at::kDouble);
  const at::Tensor x = draw({5, 3}), y = model.forward(x);
  EXPECT_TRUE(at::allclose(model.forward(x.slice(0, 1, 2)), y.slice(0, 1, 2), 1e-12, 1e-12));
}

TEST(Skeleton, another_width_is_refused) {
  Skeleton model{SkeletonConfig{}};
  tessera::testing::refused("T-SKELETON-01", [&] { model.forward(at::zeros({2, 4})); });
}

TEST(Skeleton, the_authors_names_come_back) {
  const TensorMap ours = weights_of(Skeleton{SkeletonConfig{}});
  EXPECT_TRUE(to_authors(ours).contains("0.weight"));
  EXPECT_EQ(from_authors(to_authors(ours)).names(), ours.names());
}

TEST(Skeleton, a_claim_says_when_it_does_not_hold) {
  /// A laboratory that trains nothing: errors that the test makes up.
  struct MadeUpLab final : Lab {
    double network = 0, linear = 1;
    Scale scale() const override { return Scale::kQuick; }
    TrainOutcome train(const std::string&, const std::vector<std::string>& settings) override {
      return {.test = {{"loss", settings.empty() ? network : linear}}};
    }
    Metrics evaluate(Model&, const Task&, Split) override { return {}; }
    void progress(const std::string&, double) override {}
  };
  MadeUpLab lab;
  const Claim claim = system().claims.front();
  EXPECT_TRUE(claim.run(lab).holds);
  lab.network = 0.6;
  EXPECT_FALSE(claim.run(lab).holds);
}

}  // namespace
}  // namespace tessera::skeleton
