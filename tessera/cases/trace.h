#pragma once

#include <cstdint>

#include "tessera/cases/case_file.h"

namespace tessera::cases {

/// The inputs of step s: `name` from every input `name_<k>`, k = s mod c, where `name_0` …
/// `name_<c-1>` are all there; the others as they are.
TensorMap inputs_of_step(const TensorMap& inputs, int64_t step);

/// Runs the short training that a trace case describes; results as run_case says.
TensorMap run_trace(const CaseFile& it, at::Device device);

}  // namespace tessera::cases
