#include "tessera/systems/egnn/tasks.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "tessera/core/error.h"
#include "tessera/io/tensor_file.h"
#include "tessera/systems/egnn/config.h"
#include "tessera/systems/egnn/model.h"

namespace tessera::egnn {
namespace {

/// One data root for all tests of the process, so that trajectories are simulated once.
class DataRoot {
 public:
  DataRoot()
      : path_(std::filesystem::temp_directory_path() /
              ("tessera-tasks-" + std::to_string(::getpid()))) {}
  ~DataRoot() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

const std::string& data_root() {
  static const DataRoot root;
  static const std::string path = root.path();
  return path;
}

std::unique_ptr<Task> make(const std::string& name, const Json& values,
                           at::ScalarType dtype = at::kFloat) {
  const auto all = tasks();
  const TaskFactory& factory = *std::ranges::find(all, name, &TaskFactory::name);
  const auto config = factory.config();
  read_config(*config, values);
  return factory.make(*config, {.data_root = data_root(), .dtype = dtype});
}

TensorMap batch_of(const Task& task, Split split, std::vector<int64_t> examples,
                   uint64_t seed = 1) {
  BatchContext context{split, at::make_generator<at::CPUGeneratorImpl>(seed)};
  return task.batch(examples, context);
}

std::shared_ptr<Model> small_model(EgnnConfig config) {
  config.dim = 8;
  config.num_layers = 2;
  return make_model(config);
}

/// The loss of a training batch is finite and reaches parameters.
void expect_trainable(const Task& task, Model& model, std::vector<int64_t> examples) {
  const TensorMap batch = batch_of(task, Split::kTrain, std::move(examples));
  const at::Tensor loss = task.loss(model.run(batch), batch);
  ASSERT_EQ(loss.dim(), 0);
  EXPECT_TRUE(at::isfinite(loss).item<bool>());
  loss.backward();
  const auto parameters = model.parameters();
  EXPECT_TRUE(std::ranges::any_of(parameters, [](const at::Tensor& parameter) {
    return parameter.grad().defined() && parameter.grad().abs().sum().item<double>() > 0;
  }));
}

TEST(NbodyTask, batches_are_flat_and_hold_what_each_model_takes) {
  const auto task = make("nbody", {{"train_size", 20}, {"held_out_size", 10}}, at::kDouble);
  EXPECT_EQ(task->size(Split::kTrain), 20);
  EXPECT_EQ(task->size(Split::kTest), 10);
  const TensorMap batch = batch_of(*task, Split::kTrain, {7, 0, 3});
  EXPECT_EQ(batch.at("h").sizes(), (std::vector<int64_t>{15, 1}));
  EXPECT_EQ(batch.at("x").sizes(), (std::vector<int64_t>{15, 3}));
  EXPECT_EQ(batch.at("edge_index").sizes(), (std::vector<int64_t>{2, 60}));
  EXPECT_EQ(batch.at("edge_attr").sizes(), (std::vector<int64_t>{60, 2}));
  EXPECT_EQ(batch.at("target").scalar_type(), at::kDouble);
  // The attributes again, from the batch's own x, vel and charges.
  const at::Tensor row = batch.at("edge_index")[0], col = batch.at("edge_index")[1];
  const at::Tensor x = batch.at("x"), charges = batch.at("charges");
  const at::Tensor d2 = (x.index({row}) - x.index({col})).square().sum(1);
  EXPECT_TRUE(at::allclose(batch.at("edge_attr").select(1, 1), d2));
  EXPECT_TRUE(at::equal(batch.at("edge_attr").select(1, 0),
                        (charges.index({row}) * charges.index({col})).squeeze(1)));
  EXPECT_TRUE(at::allclose(batch.at("h"), batch.at("vel").square().sum(1, true).sqrt()));
  // A batch is its examples, one after the other.
  const TensorMap alone = batch_of(*task, Split::kTrain, {3});
  EXPECT_TRUE(at::equal(alone.at("target"), batch.at("target").narrow(0, 10, 5)));
}

TEST(NbodyTask, features_fit_their_models) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> fits = {
      {"speed", {"egnn_vel", "radial_field_vel", "linear_dynamics"}},
      {"position_velocity", {"gnn", "linear"}},
      {"edge_velocity", {"egnn_nbody"}}};
  for (const auto& [features, architectures] : fits) {
    const auto task =
        make("nbody", {{"train_size", 4}, {"held_out_size", 2}, {"features", features}});
    const TensorMap batch = batch_of(*task, Split::kTrain, {0});
    for (const std::string& architecture : architectures) {
      EgnnConfig config = EgnnConfig::of(architecture);
      config.node_in_dim = batch.at("h").size(1);
      config.edge_in_dim = batch.at("edge_attr").size(1);
      config.node_out_dim = 3;
      SCOPED_TRACE(architecture);
      expect_trainable(*task, *small_model(config), {0, 1, 2});
    }
  }
}

TEST(NbodyTask, frames_are_those_of_the_named_data_set) {
  const Json sizes = {{"train_size", 2}, {"held_out_size", 2}};
  Json shifted = sizes;
  shifted["dataset"] = "nbody_small_out_dist";
  const auto usual = make("nbody", sizes), out_dist = make("nbody", shifted);
  // Frames 20 → 30 there, 30 → 40 here: its target is this one's start.
  EXPECT_TRUE(at::equal(batch_of(*out_dist, Split::kTrain, {1}).at("target"),
                        batch_of(*usual, Split::kTrain, {1}).at("x")));
  EXPECT_TRUE(at::equal(batch_of(*out_dist, Split::kTest, {1}).at("target"),
                        batch_of(*usual, Split::kTest, {1}).at("target")));
}

TEST(NbodyTask, a_split_read_again_from_its_file_is_the_same) {
  const Json sizes = {{"train_size", 3}, {"held_out_size", 2}};
  const auto first = make("nbody", sizes), again = make("nbody", sizes);
  for (const Split split : {Split::kTrain, Split::kValid, Split::kTest}) {
    const TensorMap batch = batch_of(*first, split, {1, 0});
    for (const auto& [name, tensor] : batch_of(*again, split, {1, 0})) {
      EXPECT_TRUE(at::equal(tensor, batch.at(name))) << name;
    }
  }
}

TEST(NbodyTask, a_split_is_measured_by_its_samples) {
  const auto task = make("nbody", {{"train_size", 4}, {"held_out_size", 3}});
  const auto identity = make_model(EgnnConfig::of("identity"));
  Tally parts, whole;
  for (const std::vector<int64_t>& examples : {std::vector<int64_t>{0, 1}, {2}}) {
    const TensorMap batch = batch_of(*task, Split::kTest, examples);
    task->measure(identity->run(batch), batch, parts);
  }
  const TensorMap batch = batch_of(*task, Split::kTest, {0, 1, 2});
  task->measure(identity->run(batch), batch, whole);
  EXPECT_NEAR(task->metrics(parts)[0].second, task->metrics(whole)[0].second, 1e-6);
}

TEST(GraphAutoencoderTask, noise_is_new_in_training_and_fixed_in_evaluation) {
  const auto task = make("graph_autoencoder", {{"dataset", "cycles"}, {"eval_draws", 3}});
  EXPECT_EQ(task->size(Split::kTrain), 7);
  EXPECT_EQ(task->size(Split::kValid), 21);
  const auto noise = [&](Split split, int64_t example, uint64_t seed) {
    return batch_of(*task, split, {example}, seed).at("noise_coords");
  };
  EXPECT_FALSE(at::equal(noise(Split::kTrain, 2, 1), noise(Split::kTrain, 2, 2)));
  EXPECT_TRUE(at::equal(noise(Split::kTest, 2, 1), noise(Split::kTest, 2, 2)));
  EXPECT_FALSE(at::equal(noise(Split::kTest, 0, 1), noise(Split::kTest, 1, 1)));
  EXPECT_FALSE(at::equal(noise(Split::kTest, 0, 1), noise(Split::kValid, 0, 1)));
}

TEST(GraphAutoencoderTask, edge_attributes_are_the_adjacency_of_all_ordered_pairs) {
  const auto task = make("graph_autoencoder", {{"dataset", "cycles"}});
  const TensorMap batch = batch_of(*task, Split::kTrain, {1});  // C5
  EXPECT_EQ(batch.at("edge_index").sizes(), (std::vector<int64_t>{2, 20}));
  EXPECT_EQ(batch.at("edge_attr").sum().item<double>(), 10);
  const at::Tensor row = batch.at("edge_index")[0], col = batch.at("edge_index")[1];
  EXPECT_TRUE(at::equal(batch.at("target").index({row, col}), batch.at("edge_attr").squeeze(1)));
}

TEST(GraphAutoencoderTask, trains_every_autoencoder) {
  const auto plain = make("graph_autoencoder", {{"dataset", "cycles"}, {"noise_coords", 0}});
  const auto noisy =
      make("graph_autoencoder", {{"dataset", "cycles"}, {"noise_coords", 0}, {"noise_h", 1}});
  const auto coords = make("graph_autoencoder", {{"dataset", "cycles"}});
  const auto model_of = [](const std::string& architecture, int64_t noise_dim) {
    EgnnConfig config = EgnnConfig::of(architecture);
    config.edge_in_dim = 1;
    config.noise_dim = noise_dim;
    return small_model(config);
  };
  expect_trainable(*plain, *model_of("gnn_ae", 0), {3});
  expect_trainable(*noisy, *model_of("gnn_ae", 1), {3});
  expect_trainable(*coords, *model_of("egnn_ae", 0), {3});
  expect_trainable(*coords, *model_of("radial_field_ae", 0), {3});
}

TEST(GraphAutoencoderTask, predicting_no_edge_is_wrong_by_the_density) {
  const auto task = make("graph_autoencoder", {{"dataset", "cycles"}});
  Tally none, all;
  for (int64_t example = 0; example < task->size(Split::kTest); ++example) {
    const TensorMap batch = batch_of(*task, Split::kTest, {example});
    task->measure({{"adj_pred", at::zeros_like(batch.at("target"))}}, batch, none);
    task->measure({{"adj_pred", batch.at("target")}}, batch, all);
  }
  const auto find = [&](const Tally& tally, const std::string& name) {
    for (const auto& [metric, value] : task->metrics(tally)) {
      if (metric == name) return value;
    }
    return -1.0;
  };
  EXPECT_NEAR(find(none, "error_percent"), 30.435, 5e-4);
  EXPECT_EQ(find(none, "f1"), 0);
  EXPECT_EQ(find(all, "error_percent"), 0);
  EXPECT_EQ(find(all, "f1"), 1);
  EXPECT_EQ(find(all, "loss"), 0);
}

TEST(GraphAutoencoderTask, a_batch_of_two_graphs_is_refused) {
  const auto task = make("graph_autoencoder", {{"dataset", "cycles"}});
  EXPECT_THROW(batch_of(*task, Split::kTrain, {0, 1}), InvalidArgument);
}

TEST(ClustersTask, batches_drop_slots_that_are_empty_everywhere) {
  const auto task = make("clusters", {{"train_size", 50}, {"held_out_size", 10}});
  const TensorMap batch = batch_of(*task, Split::kTrain, {4});
  const int64_t n = batch.at("num_nodes").item<int64_t>();
  EXPECT_GE(n, 5);
  EXPECT_LE(n, 12);
  EXPECT_TRUE(batch.at("node_mask").all().item<bool>());
  EXPECT_EQ(batch.at("h").sizes(), (std::vector<int64_t>{n, 15}));
  EXPECT_EQ(batch.at("edge_mask").sum().item<int64_t>(), n * (n - 1));
}

TEST(ClustersTask, labels_are_standardised_and_reproducible) {
  const Json sizes = {{"train_size", 200}, {"held_out_size", 10}};
  const auto task = make("clusters", sizes, at::kDouble);
  std::vector<int64_t> all(200);
  std::iota(all.begin(), all.end(), 0);
  const at::Tensor target = batch_of(*task, Split::kTrain, all).at("target");
  EXPECT_NEAR(target.mean().item<double>(), 0, 1e-12);
  EXPECT_NEAR(target.abs().mean().item<double>(), 1, 1e-12);
  EXPECT_TRUE(at::equal(batch_of(*make("clusters", sizes, at::kDouble), Split::kTrain, all).at("x"),
                        batch_of(*task, Split::kTrain, all).at("x")));
}

TEST(ClustersTask, trains_egnn_qm9) {
  const auto task = make("clusters", {{"train_size", 10}, {"held_out_size", 2}});
  EgnnConfig config = EgnnConfig::of("egnn_qm9");
  config.node_in_dim = 15;
  expect_trainable(*task, *small_model(config), {0, 1, 2, 3});
}

TEST(Qm9Task, reads_the_table_and_measures_in_the_papers_unit) {
  // Four molecules in training with labels 1, 2, 3, 6: mean 3, mean absolute deviation 1.5.
  TensorMap table;
  for (const std::string split : {"train/", "valid/", "test/"}) {
    table.set(split + "charges",
              at::tensor({6, 8, 0, 1, 1, 0, 7, 1, 0, 9, 1, 0}, at::kByte).view({4, 3}));
    table.set(split + "positions", at::arange(36, at::kFloat).view({4, 3, 3}));
    for (const std::string property : {"homo", "alpha"}) {
      table.set(split + property, at::tensor({1., 2., 3., 6.}, at::kDouble));
    }
  }
  std::filesystem::create_directories(data_root() + "/qm9");
  io::write_tensor_file(data_root() + "/qm9/table-1.safetensors", table);

  const auto homo = make("qm9", {{"property", "homo"}}),
             alpha = make("qm9", {{"property", "alpha"}});
  const TensorMap batch = batch_of(*homo, Split::kTrain, {3, 1});
  EXPECT_TRUE(at::allclose(batch.at("target"), at::tensor({2.f, -2.f / 3})));
  EXPECT_EQ(batch.at("num_nodes").item<int64_t>(), 2);
  // F is the last species, with Z/9 = 1 in all powers.
  EXPECT_TRUE(at::equal(batch.at("h")[0].narrow(0, 12, 3), at::ones({3})));
  EXPECT_NEAR(batch.at("h").sum().item<double>(), 3 + 3 * (1 + 1. / 9 + 1. / 81), 1e-6);

  // A standardised error of 1 is 1.5 of the label: 1.5 bohr³, or 1.5 eV = 1500 meV.
  const TensorMap outputs = {{"pred", batch.at("target") + 1}};
  for (const auto& [task, mae] : {std::pair(&homo, 1500.), std::pair(&alpha, 1.5)}) {
    Tally tally;
    (*task)->measure(outputs, batch, tally);
    EXPECT_NEAR((*task)->metrics(tally)[1].second, mae, 1e-3);
  }
}

}  // namespace
}  // namespace tessera::egnn
