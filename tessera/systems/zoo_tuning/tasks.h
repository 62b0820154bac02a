#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "tessera/systems/task.h"

namespace tessera::zoo_tuning {

/// transfer: classes of a data set, changed or turned, with few labels where asked: sources and
/// targets of a zoo. Batches have x (B, C, H, W) in [-1, 1] and labels (B) int64.
std::vector<TaskFactory> tasks();

/// How often each of several outputs (…, B, C) is right, in percent of the batch: (…).
at::Tensor hit_rates(const at::Tensor& logits, const at::Tensor& labels);

}  // namespace tessera::zoo_tuning
