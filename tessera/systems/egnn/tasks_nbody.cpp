#include "tessera/systems/egnn/tasks_nbody.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>

#include "tessera/systems/edge_weights.h"
#include "tessera/systems/egnn/complete_edges.h"
#include "tessera/systems/egnn/nbody_data.h"

namespace tessera::egnn {
namespace {

struct NbodyConfig final : Config {
  std::string dataset = "nbody_small";
  int64_t train_size = 3000;
  int64_t held_out_size = 2000;
  std::string features = "speed";

  void fields(FieldList& list) override {
    list("dataset", dataset,
         {.help = "training systems; validation and test are always nbody_small's",
          .one_of = nbody_data_names()});
    list("train_size", train_size,
         {.help = "training systems, the first of the data set",
          .min = 1,
          .max = 50000,
          .authors_name = "max_training_samples"});
    list("held_out_size", held_out_size,
         {.help = "systems of validation and of test", .min = 1, .max = 2000});
    list("features", features,
         {.help = "h and edge_attr: speed (‖v‖; c_i c_j, d²: egnn_vel, radial_field_vel), "
                  "position_velocity (x, v; c_i c_j: gnn, linear), edge_velocity (1; c_i c_j, d², "
                  "v along the edge: egnn_nbody)",
          .one_of = {"speed", "position_velocity", "edge_velocity"}});
  }
};

/// All systems of a split in the task's dtype, (S, …): a batch is one index_select of each.
struct Systems {
  at::Tensor x, vel, charges, h, edge_attr, target;
};

Systems make_systems(const NbodyTrajectories& data, const std::string& features,
                     const at::Tensor& edge_index, at::ScalarType dtype) {
  const auto frame = [&](const at::Tensor& frames_SFn3, int64_t index) {
    return frames_SFn3.select(1, index).to(dtype).contiguous();
  };
  Systems systems{.x = frame(data.loc, data.first_frame),
                  .vel = frame(data.vel, data.first_frame),
                  .charges = data.charges.to(dtype).contiguous(),
                  .target = frame(data.loc, data.last_frame)};

  const at::Tensor row = edge_index[0], col = edge_index[1];
  const at::Tensor diff_SE3 = systems.x.index_select(1, row) - systems.x.index_select(1, col);
  const at::Tensor charge_SE1 =
      systems.charges.index_select(1, row) * systems.charges.index_select(1, col);
  const at::Tensor d2_SE1 = diff_SE3.square().sum(2, /*keepdim=*/true);
  if (features == "position_velocity") {
    systems.h = at::cat({systems.x, systems.vel}, 2);
    systems.edge_attr = charge_SE1;
  } else if (features == "edge_velocity") {
    const at::Tensor along_SE1 =
        -(systems.vel.index_select(1, row) * diff_SE3).sum(2, /*keepdim=*/true) / d2_SE1.sqrt();
    systems.h = at::ones_like(systems.charges);
    systems.edge_attr = at::cat({charge_SE1, d2_SE1, along_SE1}, 2);
  } else {
    systems.h = at::linalg_vector_norm(systems.vel, 2, 2, /*keepdim=*/true);
    systems.edge_attr = at::cat({charge_SE1, d2_SE1}, 2);
  }
  return systems;
}

/// An edge is an ordered pair of bodies: the same twenty in every system.
class NbodyTask final : public Task, public SharedEdges {
 public:
  NbodyTask(const NbodyConfig& config, const TaskContext& context) {
    for (const Split split : {Split::kTrain, Split::kValid, Split::kTest}) {
      const int64_t size = split == Split::kTrain ? config.train_size : config.held_out_size;
      const NbodyTrajectories data =
          load_nbody(config.dataset, split, size, context.data_root, context.progress);
      systems_[static_cast<size_t>(split)] =
          make_systems(data, config.features, edges_.of(1, data.loc.size(2)), context.dtype);
    }
  }

  int64_t size(Split split) const override { return of(split).x.size(0); }
  int64_t num_edges() const override { return edges_.count(of(Split::kTrain).x.size(1)); }

  TensorMap batch(std::span<const int64_t> examples, BatchContext& context) const override {
    const Systems& systems = of(context.split);
    const auto count = static_cast<int64_t>(examples.size());
    const at::Tensor index = at::empty({count}, at::kLong);
    std::ranges::copy(examples, index.mutable_data_ptr<int64_t>());
    const auto take = [&](const at::Tensor& values_Snf) {
      return values_Snf.index_select(0, index).view({-1, values_Snf.size(2)});
    };
    return {{"h", take(systems.h)},
            {"x", take(systems.x)},
            {"vel", take(systems.vel)},
            {"charges", take(systems.charges)},
            {"edge_index", edges_.of(count, systems.x.size(1))},
            {kEdgeId, edges_.ids(count, systems.x.size(1))},
            {"edge_attr", take(systems.edge_attr)},
            {"target", take(systems.target)}};
  }

  at::Tensor loss(const TensorMap& outputs, const TensorMap& batch) const override {
    return at::mse_loss(outputs.at("x"), batch.at("target"));
  }

  void measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const override {
    const double weight = static_cast<double>(batch.at("target").size(0));
    tally.add("loss", loss(outputs, batch).item<double>(), weight);
  }

 private:
  const Systems& of(Split split) const { return systems_[static_cast<size_t>(split)]; }

  CompleteEdges edges_{CompleteEdges::Loops::kNone};
  std::array<Systems, 3> systems_;
};

}  // namespace

TaskFactory nbody_task() {
  return task_factory<NbodyConfig>(
      "nbody", "positions of five charged particles after 1000 steps of simulation",
      [](const NbodyConfig& config, const TaskContext& context) {
        return std::make_unique<NbodyTask>(config, context);
      });
}

}  // namespace tessera::egnn
