#pragma once

#include <vector>

#include "tessera/systems/system.h"

namespace tessera::folded_cnn {

/// classification: images of a data set for a folded network, with the paper's curriculum and its
/// distillation. Batches have images, target (classes, or a teacher's logits) and labels.
std::vector<TaskFactory> tasks();

}  // namespace tessera::folded_cnn
