#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tessera/core/json.h"
#include "tessera/systems/model.h"

namespace tessera {

/// A model with a fixed batch, ready to be timed.
struct WorkloadInstance {
  std::shared_ptr<Model> model;
  TensorMap inputs;
  TensorMap train_inputs;  ///< of the training step; empty: inputs
  std::function<at::Tensor(const TensorMap& outputs, const TensorMap& inputs)> loss;
  Json optimizer;                 ///< {"name": "adam", "lr": …}, as in a trace case
  Json remarks = Json::object();  ///< goes into the row: "accuracy" of a variant, a "remark"
};

/// Another form of a workload, timed forward beside it: a precision, say. Its row is
/// "tessera-<name>"; that of the workload itself is the only "tessera".
struct WorkloadVariant {
  std::string name;
  std::function<WorkloadInstance()> make;  ///< loss and optimizer may be empty: no training step
};

/// One named benchmark of a system: the shapes of its specification.
struct Workload {
  std::string name, summary;
  double forward_flops = 0;  ///< least work of a forward: what the algorithm needs, not what we do
  double train_step_flops = 0;  ///< 0 where unknown
  double forward_bytes = 0;     ///< least memory traffic; 0 where it does not matter
  double train_step_bytes = 0;  ///< the same
  std::function<WorkloadInstance()> make;
  std::string peer_script;  ///< file in the peers' scripts folder: "egnn.py"
  std::vector<std::vector<std::string>> peer_arguments;  ///< one run each: {"--workload","nbody"}
  std::vector<WorkloadVariant> variants;
};

}  // namespace tessera
