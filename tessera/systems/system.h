#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tessera/core/registry.h"
#include "tessera/data/source.h"
#include "tessera/systems/claim.h"
#include "tessera/systems/model.h"
#include "tessera/systems/task.h"
#include "tessera/systems/workload.h"

namespace tessera {

using data::DataSource;

/// A computation that a case of kind `procedure` names: simulate, state_space, …
struct Procedure {
  std::string name, summary;
  /// config: the procedure's arguments. inputs: `input/*`, with `weight/*` and `buffer/*` under
  /// those prefixes where the case has them. Returns every output that is defined for them.
  std::function<TensorMap(const Json& config, const TensorMap& inputs)> run;
};

/// Everything the library knows of one system: the value that its folder registers.
struct System {
  std::string name;       ///< folder, registry, command line and cases
  std::string title;      ///< the paper's
  std::string paper;      ///< authors, venue, year
  std::string reference;  ///< "vgsatorras/egnn@e9ca6c0 (MIT)"
  std::string kind;       ///< "model", "method on a convnet", …

  ModelFactory model;
  std::vector<TaskFactory> tasks;
  std::vector<Procedure> procedures;
  std::vector<Claim> claims;
  std::vector<Workload> workloads;
  std::vector<DataSource> data;

  /// The loss of a trace case: `spec` is train.loss ({"name": "mse"}). Where empty, the generic
  /// losses of tessera/train/losses.h apply.
  std::function<at::Tensor(const Json& spec, const TensorMap& outputs, const TensorMap& inputs)>
      trace_loss;
  /// The authors' state dict ↔ ours. Where empty, the names are the same.
  std::function<TensorMap(const TensorMap& theirs, const Config& config)> from_authors;
  std::function<TensorMap(const TensorMap& ours, const Config& config)> to_authors;
};

/// All systems, in the order of their registration (tessera/systems/all.cpp).
const Registry<System>& systems();

}  // namespace tessera
