#include "tessera/systems/egnn/tasks_molecules.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "tessera/data/qm9.h"
#include "tessera/systems/egnn/complete_edges.h"
#include "tessera/systems/egnn/molecules.h"

namespace tessera::egnn {
namespace {

struct LabelledMolecules {
  Molecules molecules;
  at::Tensor labels;  // (M)
};
using Splits = std::array<LabelledMolecules, 3>;

/// How charges become features. `unit` is what mae is multiplied with to be in the paper's unit.
struct Presentation {
  int64_t charge_power = 2;
  double unit = 1;
};

class MoleculesTask final : public Task {
 public:
  MoleculesTask(Splits splits, const Presentation& presentation, at::ScalarType dtype)
      : splits_(std::move(splits)),
        features_(charge_power_table(data::qm9_species(), presentation.charge_power,
                                     data::qm9_species().back(), dtype)),
        scale_(label_scale(splits_[0].labels)),
        unit_(presentation.unit) {
    for (LabelledMolecules& split : splits_) {
      check_species(split.molecules.charges, data::qm9_species());
      split.molecules.charges = split.molecules.charges.to(at::kLong);
      split.molecules.positions = split.molecules.positions.to(dtype);
      split.labels = ((split.labels.to(at::kDouble) - scale_.mean) / scale_.mad).to(dtype);
    }
  }

  int64_t size(Split split) const override { return of(split).labels.size(0); }

  TensorMap batch(std::span<const int64_t> examples, BatchContext& context) const override {
    const LabelledMolecules& split = of(context.split);
    const at::Tensor index = at::empty({static_cast<int64_t>(examples.size())}, at::kLong);
    std::ranges::copy(examples, index.mutable_data_ptr<int64_t>());
    TensorMap batch =
        collate_molecules({.charges = split.molecules.charges.index_select(0, index),
                           .positions = split.molecules.positions.index_select(0, index)},
                          features_, edges_);
    batch.set("target", split.labels.index_select(0, index));
    return batch;
  }

  at::Tensor loss(const TensorMap& outputs, const TensorMap& batch) const override {
    return at::l1_loss(outputs.at("pred"), batch.at("target"));
  }

  void measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const override {
    const double error = loss(outputs, batch).item<double>();
    const auto weight = static_cast<double>(batch.at("target").size(0));
    tally.add("loss", error, weight);
    tally.add("mae", error * scale_.mad * unit_, weight);
  }

 private:
  const LabelledMolecules& of(Split split) const { return splits_[static_cast<size_t>(split)]; }

  Splits splits_;
  at::Tensor features_;
  LabelScale scale_;
  double unit_;
  CompleteEdges edges_{CompleteEdges::Loops::kAll};
};

struct Qm9Config final : Config {
  std::string property = "homo";
  int64_t charge_power = 2;

  void fields(FieldList& list) override {
    std::vector<std::string> names;
    for (const auto& known : data::qm9_properties()) names.push_back(known.name);
    list("property", property, {.help = "label to predict", .one_of = names});
    list("charge_power", charge_power,
         {.help = "highest power of the charge among an atom's features", .min = 0, .max = 9});
  }
};

std::unique_ptr<Task> make_qm9(const Qm9Config& config, const TaskContext& context) {
  const TensorMap table = data::load_qm9(context.data_root, context.progress);
  Splits splits;
  for (const Split split : {Split::kTrain, Split::kValid, Split::kTest}) {
    const std::string prefix = std::string(name_of(split)) + "/";
    splits[static_cast<size_t>(split)] = {
        .molecules = {.charges = table.at(prefix + "charges"),
                      .positions = table.at(prefix + "positions")},
        .labels = table.at(prefix + config.property)};
  }
  const auto property =
      std::ranges::find(data::qm9_properties(), config.property, &data::Qm9Property::name);
  return std::make_unique<MoleculesTask>(
      std::move(splits),
      // The paper's table has meV where the data have eV.
      Presentation{.charge_power = config.charge_power, .unit = property->unit == "eV" ? 1000. : 1},
      context.dtype);
}

struct ClustersConfig final : Config {
  int64_t train_size = 2000;
  int64_t held_out_size = 500;
  int64_t seed = 0;

  void fields(FieldList& list) override {
    list("train_size", train_size, {.help = "clusters of training", .min = 2, .max = 1000000});
    list("held_out_size", held_out_size,
         {.help = "clusters of validation and of test", .min = 1, .max = 1000000});
    list("seed", seed, {.help = "of the clusters", .min = 0});
  }
};

constexpr int64_t kSmallestCluster = 5, kLargestCluster = 12;
constexpr double kClusterSpread = 1.5;  // Å, standard deviation of a coordinate

LabelledMolecules make_clusters(int64_t size, at::Generator generator) {
  const at::Tensor num_atoms_M1 =
      at::randint(kSmallestCluster, kLargestCluster + 1, {size, 1}, generator, at::kLong);
  const at::Tensor species = at::tensor(at::ArrayRef<int64_t>(data::qm9_species()));
  const at::Tensor kinds_Ma =
      at::randint(species.size(0), {size, kLargestCluster}, generator, at::kLong);
  const at::Tensor is_atom_Ma = at::arange(kLargestCluster).unsqueeze(0) < num_atoms_M1;
  const at::Tensor charges_Ma = species.index({kinds_Ma}) * is_atom_Ma;
  const at::Tensor x_Ma3 = at::randn({size, kLargestCluster, 3}, generator, at::kDouble) *
                           kClusterSpread * is_atom_Ma.unsqueeze(2);

  const at::Tensor r_Maa =
      at::linalg_vector_norm(x_Ma3.unsqueeze(1) - x_Ma3.unsqueeze(2), 2, at::IntArrayRef{3});
  const at::Tensor products_Maa = charges_Ma.unsqueeze(1) * charges_Ma.unsqueeze(2);
  const at::Tensor pairs_Maa = (products_Maa / (r_Maa + 0.5)).triu(1);
  return {.molecules = {.charges = charges_Ma, .positions = x_Ma3},
          .labels = pairs_Maa.sum({1, 2})};
}

std::unique_ptr<Task> make_cluster_task(const ClustersConfig& config, const TaskContext& context) {
  Splits splits;
  for (const Split split : {Split::kTrain, Split::kValid, Split::kTest}) {
    const int64_t size = split == Split::kTrain ? config.train_size : config.held_out_size;
    const uint64_t seed = stream_seed(static_cast<uint64_t>(config.seed), name_of(split));
    splits[static_cast<size_t>(split)] =
        make_clusters(size, at::make_generator<at::CPUGeneratorImpl>(seed));
  }
  return std::make_unique<MoleculesTask>(std::move(splits), Presentation{}, context.dtype);
}

}  // namespace

TaskFactory qm9_task() {
  return task_factory<Qm9Config>("qm9", "one quantum-chemical property of small molecules",
                                 make_qm9);
}

TaskFactory clusters_task() {
  return task_factory<ClustersConfig>(
      "clusters", "an invariant label of random clusters of atoms, without a download",
      make_cluster_task);
}

}  // namespace tessera::egnn
