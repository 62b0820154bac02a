#include "tessera/systems/egnn/egnn.h"
#include "tessera/systems/folded_cnn/folded_cnn.h"
#include "tessera/systems/gfnn/gfnn.h"
#include "tessera/systems/lmu/lmu.h"
#include "tessera/systems/network_method.h"
#include "tessera/systems/snn_calibration/network_method.h"
#include "tessera/systems/snn_calibration/snn_calibration.h"
#include "tessera/systems/system.h"
#include "tessera/systems/ugs/ugs.h"
#include "tessera/systems/unicornn/unicornn.h"
#include "tessera/systems/zoo_tuning/zoo_tuning.h"

namespace tessera {
namespace {

// Explicit calls, not static objects: a linker may drop those, and their order is not defined.
Registry<System> register_all() {
  Registry<System> registry("system");
  registry.add(egnn::system());
  registry.add(folded_cnn::system());
  registry.add(gfnn::system());
  registry.add(lmu::system());
  registry.add(snn_calibration::system());
  registry.add(ugs::system());
  registry.add(unicornn::system());
  registry.add(zoo_tuning::system());
  return registry;
}

Registry<NetworkMethod> register_methods() {
  Registry<NetworkMethod> registry("network method");
  registry.add(snn_calibration::network_method());
  return registry;
}

}  // namespace

const Registry<System>& systems() {
  static const Registry<System> registry = register_all();
  return registry;
}

const Registry<NetworkMethod>& network_methods() {
  static const Registry<NetworkMethod> registry = register_methods();
  return registry;
}

}  // namespace tessera
