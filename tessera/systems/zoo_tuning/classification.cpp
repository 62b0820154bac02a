#include "tessera/systems/zoo_tuning/classification.h"

#include <ATen/ATen.h>

#include "tessera/core/error.h"

namespace tessera::zoo_tuning {
namespace {

/// How often each of several outputs (…, B, C) is right, in percent of the batch: (…).
at::Tensor hit_rates(const at::Tensor& logits, const at::Tensor& labels) {
  return 100 * logits.argmax(-1).eq(labels).to(at::kDouble).mean(-1);
}

}  // namespace

at::Tensor summed_views(const at::Tensor& logits, int64_t examples) {
  return logits.unflatten(-2, {examples, logits.size(-2) / examples}).sum(-2);
}

const at::Tensor& Classification::logits_of(const TensorMap& outputs) const {
  const at::Tensor& logits = outputs.at("logits");
  if (logits.size(-1) == num_classes()) return logits;
  fail<InvalidArgument>(
      {.where = "task",
       .rule = "the model has the " + std::to_string(num_classes()) + " classes of the data",
       .got = std::to_string(logits.size(-1)),
       .next = "Set model.num_classes.",
       .id = "T-ZOO-42"});
}

at::Tensor Classification::loss(const TensorMap& outputs, const TensorMap& batch) const {
  const at::Tensor &labels = batch.at("labels"), &logits = logits_of(outputs);
  at::Tensor loss;
  if (const at::Tensor* each = outputs.find("logits_each")) {
    loss =
        at::cross_entropy_loss(each->flatten(0, 1), labels.repeat({each->size(0)})) * each->size(0);
  } else {
    loss = at::cross_entropy_loss(logits, labels);
  }
  if (const at::Tensor* distillation = outputs.find("distillation")) loss = loss + *distillation;
  return loss;
}

void Classification::measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const {
  const at::Tensor& labels = batch.at("labels");
  const int64_t examples = labels.size(0);
  const auto count = static_cast<double>(examples);
  const at::Tensor& all = logits_of(outputs);
  const at::Tensor logits = summed_views(all, examples);
  const auto views = static_cast<double>(all.size(0) / examples);
  tally.add("loss", at::cross_entropy_loss(logits / views, labels).item<double>(), count);
  tally.add("top1", hit_rates(logits, labels).item<double>(), count);
  const at::Tensor* each = outputs.find("logits_each");
  if (!each) return;
  const at::Tensor rates = hit_rates(summed_views(*each, examples), labels);
  for (int64_t i = 0; i < rates.numel(); ++i) {
    tally.add("top1_member" + std::to_string(i), rates[i].item<double>(), count);
  }
}

}  // namespace tessera::zoo_tuning
