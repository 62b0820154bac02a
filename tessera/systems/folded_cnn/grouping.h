#pragma once

#include <ATen/core/Tensor.h>

namespace tessera::folded_cnn {

/// What becomes of the images beyond whole groups of f.
enum class Remainder {
  kDrop,  ///< they are left out: training, and the authors' evaluation
  kPad,   ///< the last group is filled with copies of the last image, whose outputs are discarded
};

/// (B, C, H, W) → (⌊B/f⌋, f·C, H, W): input g holds images g·f … g·f+f−1, image j of the group in
/// channels j·C … j·C+C−1. A view of contiguous images where nothing is padded.
/// Throws InvalidArgument where no whole group is there and none is padded.
at::Tensor fold_images(const at::Tensor& images, int64_t fold, Remainder remainder);

/// (n/f, f·K) → (n, K): columns j·K … j·K+K−1 belong to image g·f+j. A view.
at::Tensor unfold_outputs(const at::Tensor& raw, int64_t fold);

/// Images whose outputs count, of B images.
int64_t num_kept(int64_t num_images, int64_t fold, Remainder remainder);

/// Of n images, how many have their class among the k largest logits, for each k of `tops`. A k
/// above K is not computed and counts 0.
std::vector<int64_t> top_hits(const at::Tensor& logits, const at::Tensor& target,
                              at::IntArrayRef tops);

}  // namespace tessera::folded_cnn
