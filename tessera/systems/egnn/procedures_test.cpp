#include "tessera/systems/egnn/procedures.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tessera/core/error.h"
#include "tessera/io/tensor_file.h"

namespace tessera::egnn {
namespace {

TensorMap run(const std::string& name, const Json& config, const TensorMap& inputs = {}) {
  const auto all = procedures();
  return std::ranges::find(all, name, &Procedure::name)->run(config, inputs);
}

io::TensorFile read_case(const std::string& name) {
  return io::read_tensor_file(std::string(TESSERA_SOURCE_DIR) + "/tests/cases/egnn/" + name +
                              ".safetensors");
}

/// Every recorded output, in shape, dtype and value.
void expect_recorded(const io::TensorFile& file, const TensorMap& outputs, double rtol,
                     double atol) {
  for (const auto& [name, recorded] : file.tensors.with_prefix("output/")) {
    const at::Tensor ours = outputs.at(name);
    EXPECT_EQ(ours.scalar_type(), recorded.scalar_type()) << name;
    ASSERT_EQ(ours.sizes(), recorded.sizes()) << name;
    EXPECT_TRUE(at::allclose(ours.to(at::kDouble), recorded.to(at::kDouble), rtol, atol)) << name;
  }
}

TEST(Procedures, equal_the_recorded_cases) {
  struct Case {
    std::string file, procedure;
    double rtol, atol;
  };
  for (const Case& recorded : {Case{"nbody_simulator", "simulate", 1e-7, 1e-8},
                               Case{"ae_datasets", "graph_datasets", 0, 0},
                               Case{"qm9_preprocess", "qm9_preprocess", 1e-12, 1e-14},
                               Case{"init_from_seed", "init_from_seed", 1e-6, 1e-8}}) {
    const io::TensorFile file = read_case(recorded.file);
    const Json config = Json::parse(*file.find_metadata("config"));
    const TensorMap outputs = run(recorded.procedure, config, file.tensors.with_prefix("input/"));
    expect_recorded(file, outputs, recorded.rtol, recorded.atol);
  }
}

TEST(Procedures, simulate_draws_from_the_seed_what_is_not_given) {
  const io::TensorFile file = read_case("nbody_simulator");
  const TensorMap outputs =
      run("simulate", Json::parse(*file.find_metadata("config")), TensorMap());
  expect_recorded(file, outputs, 1e-7, 1e-8);
}

TEST(Procedures, simulate_takes_given_draws_before_the_seed) {
  const io::TensorFile file = read_case("nbody_simulator");
  Json config = Json::parse(*file.find_metadata("config"));
  config["numpy_seed"] = 1;
  expect_recorded(file, run("simulate", config, file.tensors.with_prefix("input/")), 1e-7, 1e-8);
}

TEST(Procedures, simulate_refuses_draws_of_another_number_of_particles) {
  const io::TensorFile file = read_case("nbody_simulator");
  Json config = Json::parse(*file.find_metadata("config"));
  config["num_particles"] = 6;
  EXPECT_THROW(run("simulate", config, file.tensors.with_prefix("input/")), InvalidArgument);
}

TEST(Procedures, qm9_preprocess_refuses_unknown_species_and_equal_labels) {
  const Json config = {{"species", {1, 6}}, {"charge_power", 2}, {"max_charge", 9}};
  const at::Tensor positions = at::zeros({1, 2, 3}, at::kDouble);
  const auto with = [&](int64_t charge, const at::Tensor& labels) {
    return TensorMap{{"charges", at::tensor({int64_t{6}, charge}).view({1, 2})},
                     {"positions", positions},
                     {"labels", labels}};
  };
  const at::Tensor labels = at::tensor({1.0, 2.0});
  EXPECT_NO_THROW(run("qm9_preprocess", config, with(1, labels)));
  EXPECT_THROW(run("qm9_preprocess", config, with(8, labels)), InvalidArgument);
  EXPECT_THROW(run("qm9_preprocess", config, with(-1, labels)), InvalidArgument);
  EXPECT_THROW(run("qm9_preprocess", config, with(1, at::ones({3}))), InvalidArgument);
}

}  // namespace
}  // namespace tessera::egnn
