#pragma once

#include <optional>

#include "tessera/core/tensor_map.h"
#include "tessera/nn/convnet/network.h"

namespace tessera::nn {

/// What folding does to the widths of a network (FoldedCNNs, section 3).
struct FoldOptions {
  int64_t fold = 1;                        ///< images that share one input
  std::optional<double> width_multiplier;  ///< of hidden widths; √fold where it is not given
};

/// The folded network: f images, concatenated along the channels, are one input; the classifier has
/// f·K outputs; every other width w becomes ⌊w·m⌋. Kernels, strides, pools and image size stay. A
/// depthwise convolution follows its input; other groups must divide both new widths. Any described
/// network folds; folding twice multiplies. fold 1 with m = 1 is the network itself.
/// Throws InvalidArgument on a width that becomes 0 (naming the layer), groups that no longer
/// divide, a network without a classifier, or a fold below 1.
Network fold(const Network& network, const FoldOptions& options);

/// Weights of the network folded with m = f that make it f copies of the original side by side: on
/// grouped images it computes what the original does on each. Throws InvalidArgument as
/// check_weights does.
TensorMap side_by_side_weights(const Network& original, const TensorMap& weights, int64_t fold);

/// ⌊w·m⌋ in double, the width rule.
int64_t scaled_width(int64_t width, double multiplier);

}  // namespace tessera::nn
