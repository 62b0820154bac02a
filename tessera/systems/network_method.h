#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "tessera/core/json.h"
#include "tessera/core/registry.h"
#include "tessera/nn/convnet/methods.h"

namespace tessera {

/// What a method made of a network.
class NetworkForm {
 public:
  virtual ~NetworkForm() = default;
  /// x: (N, C, H, W), as the network that it was made from takes it.  returns (N, K)
  virtual at::Tensor logits(const at::Tensor& x) = 0;
  /// The plain network that it runs, with everything that it needs besides: entries of other names
  /// than the network's own ("threshold/conv1"). A checkpoint of the plain network as it is.
  virtual nn::WeightedNetwork weighted() const = 0;
};

/// A method of one paper that gives any described network another form, looking at some of the
/// network's inputs. Claims and programs chain methods of several papers by name, so that their
/// folders need not know each other.
struct NetworkMethod {
  std::string name, summary;
  /// batches: inputs of the network. settings: keys of the method's configuration.
  /// Throws InvalidArgument on a network that it cannot treat, and on unknown settings.
  std::function<std::unique_ptr<NetworkForm>(const nn::WeightedNetwork& network,
                                             std::span<const at::Tensor> batches,
                                             const Json& settings)>
      apply;
};

/// All of them (tessera/systems/all.cpp).
const Registry<NetworkMethod>& network_methods();

}  // namespace tessera
