#pragma once

#include <functional>
#include <memory>

#include "tessera/cases/case_file.h"

namespace tessera::cases {

/// The model of a forward or trace case, with the case's weights.
struct CaseModel {
  std::shared_ptr<Model> module;
  /// Renames weights, or gradients, of the model (any subset) to the authors' names.
  std::function<TensorMap(const TensorMap&)> to_authors;
};

/// Builds it from `config`, loads `weight/*` and `buffer/*`, sets dtype, device and mode.
CaseModel make_case_model(const CaseFile& it, at::Device device);

}  // namespace tessera::cases
