#pragma once

#include <memory>

#include "tessera/systems/model.h"
#include "tessera/systems/unicornn/config.h"

namespace tessera::unicornn {

/// The model of a configuration, with freshly drawn parameters (float32, from the default
/// generator, in the authors' order).
std::shared_ptr<Model> make_model(const UnicornnConfig& config);

}  // namespace tessera::unicornn
