#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "tessera/core/json.h"
#include "tessera/core/registry.h"
#include "tessera/nn/convnet/methods.h"
#include "tessera/systems/model.h"

namespace tessera {

/// What a method made of a network.
class NetworkForm {
 public:
  virtual ~NetworkForm() = default;
  /// x: (N, C, H, W), as the network that it was made from takes it.  returns (N, K)
  virtual at::Tensor logits(const at::Tensor& x) = 0;
  /// What its logits are divided by to have the scale of the network's.
  virtual double scale() const { return 1; }
  /// The plain network that it runs, with everything that it needs besides: entries of other names
  /// than the network's own ("threshold/conv1"). A checkpoint of the plain network as it is.
  virtual nn::WeightedNetwork weighted() const = 0;
  /// What is worth a look when it runs on x: values of its layers ("firing_rate/conv1"), and of
  /// all.
  virtual TensorMap observed(const at::Tensor& x) = 0;
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
  /// The form that weighted() has written down; settings: those of apply.
  std::function<std::unique_ptr<NetworkForm>(const nn::WeightedNetwork& stored,
                                             const Json& settings)>
      reopen;
};

/// images (N, C, H, W) as a network takes them that reads `per_input` in one input, one behind the
/// other along the channels; the last one is repeated where a group is not full.
at::Tensor grouped(const at::Tensor& images, int64_t per_input);

/// A form as a model for evaluation and prediction: `x` or `images` (N, C, H, W) → logits (N, K) on
/// the scale of the network's, and their cross_entropy where there is a `target` of classes.
std::shared_ptr<Model> model_of(std::unique_ptr<NetworkForm> form);

/// All of them (tessera/systems/all.cpp).
const Registry<NetworkMethod>& network_methods();

}  // namespace tessera
