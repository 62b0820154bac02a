#pragma once

#include "tessera/core/json.h"
#include "tessera/systems/system.h"

namespace tessera::bench {

/// Times one workload in this process: forward without gradients and a whole training step, the
/// median of `repeats` after a warm-up. Returns the line that a peer's script prints, as an object:
/// {system, workload, impl, threads, forward_ms, train_step_ms, peak_rss_mb, torch} and the
/// instance's remarks. `variant`: nullptr for the workload itself; without a loss there is no step.
Json time_workload(const System& system, const Workload& workload, const WorkloadVariant* variant,
                   int repeats);

}  // namespace tessera::bench
