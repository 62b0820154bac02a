#pragma once

#include "tessera/systems/task.h"

namespace tessera::egnn {

/// Properties of molecules by egnn_qm9. Batches are collate_molecules' with target, the label
/// standardised by the training split's mean and mean absolute deviation. Loss: mean absolute error
/// of the standardised label; mae is in the label's unit as the paper's table has it.

/// QM9 (paper, section 5.3), one property at a time.
TaskFactory qm9_task();
/// Random clusters of 5 to 12 atoms with Σ_{i<j} Z_i Z_j/(r_ij + 0.5) for a label: invariance
/// without a download.
TaskFactory clusters_task();

}  // namespace tessera::egnn
