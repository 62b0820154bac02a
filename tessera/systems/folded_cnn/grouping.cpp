#include "tessera/systems/folded_cnn/grouping.h"

#include <ATen/ATen.h>

#include "tessera/core/error.h"

namespace tessera::folded_cnn {

int64_t num_kept(int64_t num_images, int64_t fold, Remainder remainder) {
  return remainder == Remainder::kPad ? num_images : num_images / fold * fold;
}

at::Tensor fold_images(const at::Tensor& images, int64_t fold, Remainder remainder) {
  const int64_t count = images.size(0);
  const int64_t whole = count / fold * fold;
  if (count < 1 || (whole == 0 && remainder == Remainder::kDrop)) {
    fail<InvalidArgument>(
        {.where = "folded_cnn",
         .rule = "a batch has at least fold = " + std::to_string(fold) + " images",
         .got = std::to_string(count),
         .next = "Give more images, or pad the last group: "
                 "model.remainder=\"pad\".",
         .id = "T-FCNN-10"});
  }
  at::Tensor kept = images;
  if (whole < count) {
    if (remainder == Remainder::kDrop) {
      kept = images.narrow(0, 0, whole);
    } else {
      const at::Tensor last = images.narrow(0, count - 1, 1);
      std::vector<int64_t> sizes = images.sizes().vec();
      sizes[0] = whole + fold - count;
      kept = at::cat({images, last.expand(sizes)});
    }
  }
  return kept.contiguous().view({-1, fold * images.size(1), images.size(2), images.size(3)});
}

at::Tensor unfold_outputs(const at::Tensor& raw, int64_t fold) {
  return raw.reshape({raw.size(0) * fold, -1});
}

std::vector<int64_t> top_hits(const at::Tensor& logits, const at::Tensor& target,
                              at::IntArrayRef tops) {
  std::vector<int64_t> hits;
  for (const int64_t k : tops) {
    if (k > logits.size(1)) {
      hits.push_back(0);
      continue;
    }
    const at::Tensor largest = std::get<1>(logits.topk(k, 1));
    hits.push_back(largest.eq(target.unsqueeze(1)).sum().item<int64_t>());
  }
  return hits;
}

}  // namespace tessera::folded_cnn
