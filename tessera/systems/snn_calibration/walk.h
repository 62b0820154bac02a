#pragma once

#include <span>
#include <vector>

#include "tessera/nn/convnet/evaluate.h"
#include "tessera/systems/snn_calibration/spiking.h"

// Between the files that walk through a spiking network layer by layer; not for callers.

namespace tessera::snn_calibration {

/// What a layer puts out over time: (T·N, …), time first, or (N, …) where every step is the same.
/// Spikes may be bools, a byte each, with the threshold as their scale.
struct Train {
  at::Tensor values;
  bool is_constant = false;
  at::Tensor scale;  ///< of bools: [] or [1, C, 1, 1]

  at::Tensor numbers() const;  ///< values, or scale where they are true
};

/// Who reads what, and when it is read for the last time.
class Sources {
 public:
  static constexpr size_t kImage = static_cast<size_t>(-1);
  explicit Sources(const SpikingNetwork& it);

  std::span<const size_t> of(size_t layer) const { return sources_[layer]; }
  /// Values that nobody reads after `layer`.
  std::span<const size_t> done_after(size_t layer) const { return done_[layer]; }
  /// The neuron at an activation, or null.
  const Neuron* neuron_at(size_t layer) const { return neuron_at_[layer]; }
  /// Whether the layer adds two values for a neuron alone.
  bool is_sum_of_neuron(size_t layer) const { return is_sum_of_neuron_[layer]; }

 private:
  std::vector<std::vector<size_t>> sources_, done_;
  std::vector<const Neuron*> neuron_at_;
  std::vector<bool> is_sum_of_neuron_;
};

/// One layer that is not a neuron, at all steps.
Train apply_over_time(const nn::Layer& layer, const nn::LayerTensors& tensors,
                      std::span<const Train> inputs, int64_t steps);

/// The neuron's scan of a current. Throws where its threshold or potential does not serve.
struct Scan {
  Train spikes;
  at::Tensor membranes;
};
struct ScanOptions {
  bool sums = false, keeps_membranes = false;
  bool marks = false;   ///< spikes as bools
  Train residual = {};  ///< added to the current, which is not constant; no values: none
};
Scan scan(const SpikingNetwork& it, const Neuron& neuron, const Train& current,
          const ScanOptions& options = {});

/// In the order of memory in which layers read maps and kernels: channels last. In double as they
/// come, so that sums have the order, and spikes at a threshold the last bit, of plain torch.
at::Tensor laid_out(const at::Tensor& tensor);

/// Mean over the steps.
at::Tensor mean_over_time(const Train& train, int64_t steps);

/// Throws InvalidArgument where x is not (N, C, H, W) of the network's channels.
void check_images(const SpikingNetwork& it, const at::Tensor& x);

}  // namespace tessera::snn_calibration
