#pragma once

#include <string>
#include <vector>

#include "tessera/core/tensor_map.h"
#include "tessera/nn/convnet/methods.h"

namespace tessera::snn_calibration {

/// A ReLU of the source network that becomes integrate-and-fire neurons. It is named after the conv
/// or linear layer that drives it; behind a residual sum that is the last one of the block.
struct Neuron {
  std::string name;
  size_t source = 0;      ///< that layer's index
  size_t activation = 0;  ///< the ReLU's index
  size_t sum = npos;      ///< of a residual block: the sum's index
  static constexpr size_t npos = nn::Network::npos;

  bool is_residual() const { return sum != npos; }
};

/// How a network spikes.
struct Conversion {
  int64_t time_steps = 32;  ///< T
  bool shift = true;        ///< V/2 more over the T steps: rounding instead of the floor
};

/// A network whose ReLUs are neurons: a value, from any described network. What calibration changes
/// are `weights`, `thresholds` and `potentials`; `ann` stays as it was when batch norm was folded,
/// so that the source network can be run at any time.
struct SpikingNetwork {
  nn::Network network;  ///< without batch norm and dropout
  Conversion conversion;
  std::vector<Neuron> neurons;  ///< in the order of the layers
  TensorMap ann;                ///< weights of the source network
  TensorMap weights;            ///< weights when it spikes
  TensorMap thresholds;         ///< V by neuron: [] or [1, C, 1, 1]
  TensorMap potentials;         ///< v_0 by neuron: [1, C, H, W] or [1, F]; absent: 0

  const Neuron& neuron(std::string_view name) const;
};

/// Folds batch norm, drops dropout, finds the neurons. Thresholds are still to be searched.
/// Throws InvalidArgument on a maximum pool (naming it), on an activation that is not a ReLU or
/// does not follow a conv or linear layer or a residual sum of one, on batch norm that cannot be
/// folded, and on T < 1.
SpikingNetwork convert(const nn::WeightedNetwork& source, const Conversion& conversion);

/// The source network on x (N, C, H, W).
at::Tensor ann_logits(const SpikingNetwork& it, const at::Tensor& x);

/// What to keep of a simulation besides its output.
struct Watch {
  bool step_logits = false;
  bool firing_rates = false;
  bool traces = false;  ///< spikes and membranes of every neuron
};

struct SpikingRun {
  at::Tensor logits;            ///< (N, K), Σ over the T steps
  at::Tensor step_logits;       ///< (T, N, K)
  TensorMap firing_rates;       ///< by neuron: mean of [s ≠ 0] over steps, samples and neurons
  TensorMap input_rates;        ///< by conv or linear layer: share of its inputs that are not zero
  TensorMap spikes, membranes;  ///< by neuron: (T, N, …)
};

struct Train;  // walk.h

/// Runs a spiking network. Layer after layer: the steps of one layer depend on its own inputs
/// alone, so that each is one convolution of T·N maps and one scan; the first layer's convolution
/// is made once. Spikes lie in memory as bytes. Convolutions of mostly silent maps skip the zeros
/// (float, CPU).
class Simulator {
 public:
  explicit Simulator(SpikingNetwork it);

  /// T steps on x (N, C, H, W), which is presented at every step. Samples are independent: where
  /// nothing is watched, as many go through the layers at once as 64 MiB of currents hold.
  /// Throws InvalidArgument on missing or NaN thresholds, and on potentials of another image size.
  SpikingRun run(const at::Tensor& x, const Watch& watch = {});

  const SpikingNetwork& spiking() const { return it_; }

 private:
  SpikingRun run_at_once(const at::Tensor& x, const Watch& watch);
  at::Tensor conv_of_spikes(size_t layer, const Train& spikes);

  SpikingNetwork it_;
  std::vector<at::Tensor> packed_;  ///< kernels that sparse inputs meet, by layer, when needed
};

/// One run.
SpikingRun simulate(const SpikingNetwork& it, const at::Tensor& x, const Watch& watch = {});

/// Estimated energy of one inference of one sample (section 4.4 of the paper): multiply-adds cost
/// e_mac, additions of spikes e_ac.
struct Energy {
  double ann_pj = 0, snn_pj = 0;
  double ann_macs = 0;    ///< of the source network
  double first_macs = 0;  ///< of the layers that see the image, at every step
  double spike_ops = 0;   ///< additions: non-zero inputs times their fan-out
};
Energy energy(const SpikingNetwork& it, const SpikingRun& run, double e_mac_pj, double e_ac_pj);

}  // namespace tessera::snn_calibration
