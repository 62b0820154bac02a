#pragma once

#include <string>
#include <vector>

#include "tessera/cases/case_file.h"
#include "tessera/cases/compare.h"
#include "tessera/core/tensor_map.h"

namespace tessera::cases {

/// Computes everything that a case of its kind can record, from its weights, inputs and cotangents
/// alone, whether or not the file holds a result:
///   forward    `output/*`, `grad/*` of every weight and `grad_input/*` of every floating input
///   that
///              the scalar Σ output·cotangent reaches
///   trace      `output/losses` (each before its update), `output/final_weight/*` and, where the
///              rate is scheduled, `output/lr`
///   procedure  `output/*`, and gradients as above where the file has cotangents
/// Tensors come back on the CPU, weights under the authors' names.
/// Throws InvalidArgument on a configuration, weight, input or cotangent that does not fit,
/// Unsupported on a procedure or trace rule that is not here.
TensorMap run_case(const CaseFile& it, at::Device device = at::kCPU);

/// A case that was run and compared with what its file records.
struct CaseReport {
  std::string path, name;  ///< name: the file's stem
  CaseFile it;
  std::vector<Comparison> comparisons;
  double seconds = 0;

  size_t failures() const;
  /// Every recorded tensor holds, and there is at least one.
  bool holds() const { return !comparisons.empty() && failures() == 0; }
};

CaseReport check_case(const std::string& path, at::Device device = at::kCPU);

}  // namespace tessera::cases
