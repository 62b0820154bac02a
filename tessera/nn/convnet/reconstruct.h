#pragma once

#include <ATen/core/Tensor.h>

#include "tessera/nn/convnet/evaluate.h"

// Layer-wise post-training quantisation: a uniform quantiser of activations, and the fit of one
// layer's weights to the activations that it should have. For any network.

namespace tessera::nn {

/// ⌊clamp(z / V · T, 0, T)⌋ · V / T: z on T equal steps up to the clip V, the rate of a neuron with
/// threshold V after T steps. Gradients pass the floor as if it were not there, and the clamp at
/// and between its bounds. V: one value or one that broadcasts.
at::Tensor clip_floor(const at::Tensor& z, const at::Tensor& V, int64_t T);

/// What one layer reads and should put out, for a number of samples.
struct ReconstructData {
  at::Tensor input;     ///< (n, …)
  at::Tensor residual;  ///< (n, …) added to the layer's output; may be undefined
  at::Tensor target;    ///< (n, …)
};

struct ReconstructOptions {
  double lr = 1e-5;  ///< of Adam, annealed by a cosine to 0
  int64_t iters = 5000;
  int64_t batch_size = 32;
};

/// The loss of one batch: Σ over channels, mean over the rest, of (clip_floor(z) − target)².
at::Tensor reconstruct_loss(const Layer& layer, const LayerTensors& tensors,
                            const ReconstructData& batch, const at::Tensor& V, int64_t T);

struct Reconstructed {
  at::Tensor weight;
  at::Tensor losses;  ///< [iters], before each update
};
/// Fits the weight alone. index: int64 [iters, batch_size] into the samples.
/// Throws InvalidArgument on an index of another shape or outside the samples.
Reconstructed reconstruct(const Layer& layer, const LayerTensors& tensors,
                          const ReconstructData& data, const at::Tensor& V, int64_t T,
                          const ReconstructOptions& options, const at::Tensor& index);

}  // namespace tessera::nn
