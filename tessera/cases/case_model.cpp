#include "tessera/cases/case_model.h"

#include <torch/types.h>

#include "tessera/systems/told_by_tensors.h"

namespace tessera::cases {
CaseModel make_case_model(const CaseFile& it, at::Device device) {
  const System& system = *it.system;
  const std::shared_ptr<Config> config = system.model.config();
  Origins origins;
  Json values = it.config;
  // The mode is the runner's, unless the system has a key of that name.
  if (!write_config(*config).contains("mode")) values.erase("mode");
  if (const auto* told = dynamic_cast<const ToldByTensors*>(config.get())) {
    values.update(told->told(values, it.inputs, it.weights));
  }
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
