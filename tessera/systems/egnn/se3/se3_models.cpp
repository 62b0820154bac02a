#include "tessera/systems/egnn/se3/se3_models.h"

#include <fmt/format.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "tessera/core/error.h"
#include "tessera/systems/egnn/graph.h"
#include "tessera/systems/egnn/se3/change_of_basis.h"
#include "tessera/systems/egnn/se3/layers.h"
#include "tessera/systems/egnn/se3/parameters.h"

namespace tessera::egnn {
namespace se3 {
namespace {

const Fiber kInput = {{.degree = 0, .channels = 1}, {.degree = 1, .channels = 1}};
const Fiber kOutput = {{.degree = 1, .channels = 1}};

/// (num_layers − 1) × [convolution, nonlinearity], convolution. Parameters block0.*.
class TensorFieldNetwork final : public Network {
 public:
  explicit TensorFieldNetwork(const EgnnConfig& config) {
    const Fiber inside = uniform_fiber(config.num_degrees, config.channels);
    const auto block = add_level(*this, "block0");
    for (int64_t layer = 0; layer < config.num_layers; ++layer) {
      const Fiber& in = layer == 0 ? kInput : inside;
      const bool is_last = layer + 1 == config.num_layers;
      convolutions_.push_back(
          block->register_module(std::to_string(2 * layer),
                                 std::make_shared<Convolution>(in, is_last ? kOutput : inside)));
      if (is_last) break;
      nonlinearities_.push_back(block->register_module(
          std::to_string(2 * layer + 1), std::make_shared<NormNonlinearity>(inside, true)));
    }
  }

  Features forward(Features features, const Geometry& geometry) override {
    for (size_t layer = 0; layer < nonlinearities_.size(); ++layer) {
      features = nonlinearities_[layer]->forward(convolutions_[layer]->forward(features, geometry));
    }
    return convolutions_.back()->forward(features, geometry);
  }

 private:
  std::vector<std::shared_ptr<Convolution>> convolutions_;
  std::vector<std::shared_ptr<NormNonlinearity>> nonlinearities_;
};

/// num_layers × [attention, nonlinearity], convolution, times a learned scalar.
/// Parameters Gblock.*, scalar_trick.
class Se3Transformer final : public Network {
 public:
  explicit Se3Transformer(const EgnnConfig& config) {
    const Fiber inside = uniform_fiber(config.num_degrees, config.channels);
    const auto block = add_level(*this, "Gblock");
    for (int64_t layer = 0; layer < config.num_layers; ++layer) {
      const Fiber& in = layer == 0 ? kInput : inside;
      attentions_.push_back(block->register_module(std::to_string(2 * layer),
                                                   std::make_shared<AttentionBlock>(in, inside)));
      nonlinearities_.push_back(block->register_module(
          std::to_string(2 * layer + 1), std::make_shared<NormNonlinearity>(inside, false)));
    }
    last_ = block->register_module(std::to_string(2 * config.num_layers),
                                   std::make_shared<Convolution>(inside, kOutput));
    scale_ = register_parameter("scalar_trick", at::full({1}, 0.01));
  }

  Features forward(Features features, const Geometry& geometry) override {
    for (size_t layer = 0; layer < attentions_.size(); ++layer) {
      features = nonlinearities_[layer]->forward(attentions_[layer]->forward(features, geometry));
    }
    features = last_->forward(features, geometry);
    for (at::Tensor& f : features) f = f * scale_;
    return features;
  }

 private:
  std::vector<std::shared_ptr<AttentionBlock>> attentions_;
  std::vector<std::shared_ptr<NormNonlinearity>> nonlinearities_;
  std::shared_ptr<Convolution> last_;
  at::Tensor scale_;
};

void check_inputs(const at::Tensor& x, const at::Tensor& vel, const at::Tensor& charges,
                  int64_t num_particles, const at::Tensor& like) {
  check_rows(x, "x", -1, 3, like);
  check_rows(vel, "vel", x.size(0), 3, like);
  check_rows(charges, "charges", x.size(0), 1, like);
  if (x.size(0) % num_particles != 0) {
    fail<InvalidArgument>({.where = "egnn",
                           .rule = "x must hold whole systems of num_particles = " +
                                   std::to_string(num_particles) + " rows",
                           .got = std::to_string(x.size(0)) + " rows",
                           .next = "Set model.num_particles to the size of a system.",
                           .id = "T-EGNN-30"});
  }
  check_finite(x);
}

}  // namespace

Se3Model::Se3Model(const EgnnConfig& config)
    : num_particles_(config.num_particles),
      // The input and the output are vectors, even where no hidden feature is.
      max_degree_(std::max<int64_t>(config.num_degrees - 1, 1)) {
  if (config.num_heads != 1) {
    fail<InvalidArgument>(
        {.where = "egnn",
         .rule = config.architecture + " has one attention head: num_heads must be 1",
         .got = std::to_string(config.num_heads),
         .next = "Set model.num_heads=1.",
         .id = "T-EGNN-31"});
  }
  if (config.architecture == "tfn") {
    network_ = register_module("se3", std::make_shared<TensorFieldNetwork>(config));
  } else {
    network_ = register_module("se3", std::make_shared<Se3Transformer>(config));
  }
  for (int64_t a = 0; a <= max_degree_; ++a) {
    for (int64_t b = 0; b <= max_degree_; ++b) {
      for (int64_t J = std::abs(a - b); J <= a + b; ++J) {
        change_of_basis_[{J, a, b}] =
            register_buffer(fmt::format("Q_{}_{}_{}", J, a, b), change_of_basis(J, a, b).clone());
      }
    }
  }
}

Se3Model::Output Se3Model::forward(const at::Tensor& x, const at::Tensor& vel,
                                   const at::Tensor& charges) {
  check_inputs(x, vel, charges, num_particles_, network_->parameters().front());
  const Geometry geometry = make_geometry(x, num_particles_, max_degree_, change_of_basis_);
  const Features result = network_->forward({charges.unsqueeze(2), vel.unsqueeze(2)}, geometry);

  Output output{.x = result[0].squeeze(2) + x};
  for (const at::Tensor& Y : geometry.harmonics) {
    output.harmonics.push_back(geometry.graph.by_sender(Y));
  }
  return output;
}

TensorMap Se3Model::run(const TensorMap& inputs) {
  Output output = forward(inputs.at("x"), inputs.at("vel"), inputs.at("charges"));
  TensorMap outputs = {{"x", output.x}};
  for (size_t J = 0; J < output.harmonics.size(); ++J) {
    outputs.set("sh_" + std::to_string(J), output.harmonics[J]);
  }
  return outputs;
}

bool Se3Model::is_derived(const std::string& buffer_name) const {
  return buffer_name.starts_with("Q_");
}

}  // namespace se3

std::shared_ptr<Model> make_se3_model(const EgnnConfig& config) {
  return std::make_shared<se3::Se3Model>(config);
}

}  // namespace tessera::egnn
