#pragma once

#include <memory>

#include "tessera/systems/egnn/config.h"
#include "tessera/systems/model.h"

namespace tessera::egnn {

/// The model of a configuration, with freshly drawn parameters (float32, from the default
/// generator, in the authors' order: equal seeds give their weights bit for bit).
std::shared_ptr<Model> make_model(const EgnnConfig& config);

}  // namespace tessera::egnn
