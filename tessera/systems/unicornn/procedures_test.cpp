#include "tessera/systems/unicornn/procedures.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tessera/systems/unicornn/test_models.h"

namespace tessera::unicornn {
namespace {

using testing::draw;

TensorMap run(const std::string& name, const Json& config, const TensorMap& inputs = {}) {
  const auto all = procedures();
  return std::ranges::find(all, name, &Procedure::name)->run(config, inputs);
}

TEST(UnicornnProcedures, the_permutation_is_the_references) {
  const at::Tensor order = run("psmnist_permutation", {{"seed", 5544}}).at("permutation");
  EXPECT_TRUE(at::equal(order.narrow(0, 0, 6), at::tensor({327, 72, 48, 129, 109, 101})));
  EXPECT_TRUE(at::equal(std::get<0>(order.sort()), at::arange(784)));
}

TEST(UnicornnProcedures, noise_follows_the_rows_of_an_image) {
  const at::Tensor images = draw({2, 3, 32, 32}), noise = draw({1, 8, 96}, 2);
  const TensorMap inputs = {{"images", images}, {"noise", noise}};
  const at::Tensor x = run("noise_padded_cifar", {{"length", 40}}, inputs).at("x");
  ASSERT_EQ(x.sizes(), (at::IntArrayRef{40, 2, 96}));
  EXPECT_TRUE(at::equal(x[5][1], images[1].select(1, 5).reshape({96})));
  EXPECT_TRUE(at::equal(x[32][0], noise[0][0]) && at::equal(x[39][1], noise[0][7]));
  const TensorMap turned =
      run("noise_padded_cifar", {{"length", 40}, {"batch_first", true}}, inputs);
  EXPECT_TRUE(at::equal(turned.at("x"), x.transpose(0, 1)));

  // Bytes become [0, 1]; noise that is not given is drawn from the reference's seed.
  const at::Tensor bytes = at::full({1, 3, 32, 32}, 255, at::kByte);
  const TensorMap drawn = run("noise_padded_cifar", {{"length", 33}}, {{"images", bytes}});
  EXPECT_EQ(drawn.at("x")[0][0][0].item<double>(), 1);
  EXPECT_TRUE(
      at::equal(drawn.at("noise"), at::randn({1, 1, 96}, at::detail::createCPUGenerator(12345))));
}

TEST(UnicornnProcedures, states_are_recovered_from_the_last_one) {
  const TensorMap out = run("reconstruct", {{"dt", 0.126}, {"alpha", 13.0}},
                            {{"x", draw({300, 2, 4})},
                             {"y0", draw({2, 4}, 2)},
                             {"weight/weight_hh", at::full({4}, 0.5, at::kDouble)},
                             {"weight/c_", at::zeros({4}, at::kDouble)}});
  EXPECT_LE(out.at("errors").max().item<double>(), 1e-12);
  EXPECT_TRUE(at::allclose(out.at("reconstructed_y_before").narrow(0, 1, 299),
                           out.at("y").narrow(0, 0, 299), 1e-10, 1e-12));
  EXPECT_TRUE(at::allclose(out.at("reconstructed_y_before")[0], draw({2, 4}, 2), 1e-10, 1e-12));
}

}  // namespace
}  // namespace tessera::unicornn
