#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <string>

#include "tessera/core/error.h"
#include "tessera/systems/zoo_tuning/model.h"

namespace tessera::zoo_tuning::testing {

inline at::Generator generator(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

inline at::Tensor draw(at::IntArrayRef sizes, uint64_t seed) {
  return at::randn(sizes, generator(seed), at::kDouble);
}

/// A layer in double, evaluation mode, with weights of size one and gates that differ.
inline std::shared_ptr<Model> layer(const Json& more = Json::object()) {
  Json values = {{"layer", "zoo_conv2d"},
                 {"in_channels", 6},
                 {"out_channels", 5},
                 {"padding", 1},
                 {"num_sources", 4}};
  values.update(more);
  const auto model = make_model(ZooConfig::of(values));
  model->to(at::kDouble);
  const at::NoGradGuard no_grad;
  auto random = generator(11);
  for (at::Tensor& parameter : model->parameters()) parameter.normal_(0, 1, random);
  model->eval();
  return model;
}

/// The tiny network in double, in training mode.
inline std::shared_ptr<ZooModel> tiny(const Json& more = Json::object()) {
  Json values = {{"network", "tiny"}, {"num_classes", 4}, {"num_sources", 3}, {"image_size", 20}};
  values.update(more);
  const auto model = std::dynamic_pointer_cast<ZooModel>(make_model(ZooConfig::of(values)));
  model->to(at::kDouble);
  return model;
}

inline at::Tensor images(int64_t count, uint64_t seed = 5) {
  return draw({count, 3, 20, 20}, seed);
}

/// Sources of tiny's network that differ: what `plain` models of other seeds hold.
inline std::vector<TensorMap> sources(int64_t count) {
  std::vector<TensorMap> list;
  for (int64_t i = 0; i < count; ++i) {
    const auto plain =
        make_model(ZooConfig::of({{"network", "tiny"}, {"method", "plain"}, {"num_classes", 7}}));
    plain->to(at::kDouble);
    const at::NoGradGuard no_grad;
    auto random = generator(static_cast<uint64_t>(20 + i));
    for (at::Tensor& parameter : plain->parameters()) parameter.normal_(0, 0.5, random);
    list.push_back(weights_of(*plain));
  }
  return list;
}

inline double largest(const at::Tensor& tensor) { return tensor.abs().max().item<double>(); }

/// The identifier of the error that `action` throws, or "none".
template <class Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find('['), std::string::npos) << error.what();
    return error.id();
  }
  return "none";
}

}  // namespace tessera::zoo_tuning::testing
