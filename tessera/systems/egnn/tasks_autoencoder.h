#pragma once

#include "tessera/systems/task.h"

namespace tessera::egnn {

/// Coding a graph in node positions and reading its edges off them (paper, section 5.2). A batch is
/// one graph of n nodes: h (ones), edge_index and edge_attr over all ordered pairs, noise_coords
/// and noise_h of the widths asked for, and target, the adjacency matrix (n, n).
/// Noise is new in every training batch; in evaluation it is a fixed draw of each graph.
/// Loss: binary cross-entropy summed over all n² entries. error_percent counts ordered pairs on the
/// wrong side of 1/2; f1 is of pooled counts.
TaskFactory graph_autoencoder_task();

}  // namespace tessera::egnn
