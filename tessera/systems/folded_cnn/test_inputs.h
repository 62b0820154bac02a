#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <string>

#include "tessera/core/error.h"
#include "tessera/systems/folded_cnn/model.h"

namespace tessera::folded_cnn::testing {

/// A game CNN of small widths for 3x13x14 images of 5 classes, and `more` keys.
inline FoldedCnnConfig small_config(const Json& more = Json::object()) {
  Json values = {{"image_height", 13},  {"image_width", 14},  {"num_classes", 5},
                 {"first_channels", 8}, {"unit_channels", 8}, {"last_channels", 4}};
  values.update(more);
  return FoldedCnnConfig::of(values);
}

/// The model in double, with weights large enough that logits differ, in evaluation mode.
inline std::shared_ptr<FoldedCnn> small_model(const Json& more = Json::object()) {
  auto model = make_model(small_config(more));
  model->to(at::kDouble);
  auto generator = at::detail::createCPUGenerator(11);
  const at::NoGradGuard no_grad;
  for (at::Tensor& parameter : model->parameters()) parameter.uniform_(-0.4, 0.4, generator);
  model->eval();
  return model;
}

inline at::Tensor random_images(int64_t count, uint64_t seed = 7) {
  return at::rand({count, 3, 13, 14}, at::detail::createCPUGenerator(seed), at::kDouble);
}

/// The identifier of the error that `action` throws, or "none".
template <class Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find('['), std::string::npos) << error.what();
    return error.id();
  }
  return "none";
}

}  // namespace tessera::folded_cnn::testing
