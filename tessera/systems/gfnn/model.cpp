#include "tessera/systems/gfnn/model.h"

#include "tessera/systems/gfnn/baselines.h"
#include "tessera/systems/gfnn/grid_network.h"

namespace tessera::gfnn {

std::shared_ptr<Model> make_model(const GfnnConfig& config) {
  config.validate();
  if (config.architecture == "mlp") return std::make_shared<Perceptron>(config);
  if (config.architecture == "mixture_of_experts") {
    return std::make_shared<MixtureOfExperts>(config);
  }
  return std::make_shared<GridNetwork>(config);
}

}  // namespace tessera::gfnn
