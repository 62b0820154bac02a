#include "tessera/cases/case_model.h"

#include <torch/types.h>

namespace tessera::cases {
namespace {

/// Classifiers of unpooled maps depend on the size of the images: where the configuration does not
/// say it, the case's own images do.
void take_image_size(const CaseFile& it, const Json& known, Json& values) {
  if (!known.contains("image_size") || values.contains("image_size")) return;
  for (const char* name : {"x", "x_0"}) {
    const at::Tensor* images = it.inputs.find(name);
    if (images && images->dim() == 4 && images->size(2) == images->size(3)) {
      values["image_size"] = images->size(3);
      return;
    }
  }
}

}  // namespace

CaseModel make_case_model(const CaseFile& it, at::Device device) {
  const System& system = *it.system;
  const std::shared_ptr<Config> config = system.model.config();
  Origins origins;
  Json values = it.config;
  // The mode is the runner's, unless the system has a key of that name.
  const Json known = write_config(*config);
  if (!known.contains("mode")) values.erase("mode");
  take_image_size(it, known, values);
  for (const auto& [key, value] : values.items()) origins[key] = it.path;
  read_config(*config, values, "", origins);

  CaseModel model;
  model.module = system.model.make(*config);
  model.module->to(it.dtype);
  TensorMap weights = it.weights;
  weights.merge(it.buffers);
  if (system.from_authors) weights = system.from_authors(weights, *config);
  load_weights(*model.module, weights);
  model.module->to(device);
  model.module->train(it.training);
  model.module->set_draws_noise(false);
  model.to_authors = [&system, config](const TensorMap& ours) {
    return system.to_authors ? system.to_authors(ours, *config) : ours;
  };
  return model;
}

}  // namespace tessera::cases
