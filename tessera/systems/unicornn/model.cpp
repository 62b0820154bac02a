#include "tessera/systems/unicornn/model.h"

#include "tessera/core/error.h"
#include "tessera/systems/unicornn/network.h"

namespace tessera::unicornn {

std::shared_ptr<Model> make_model(const UnicornnConfig& config) {
  config.validate();
  if (config.scope == "recurrence") return std::make_shared<Recurrence>(config);
  if (config.architecture == "unicornn") return std::make_shared<Unicornn>(config);
  fail<Internal>(
      {.where = "unicornn", .rule = "an architecture without a model", .got = config.architecture});
}

}  // namespace tessera::unicornn
