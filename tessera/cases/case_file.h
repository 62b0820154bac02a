#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "tessera/core/json.h"
#include "tessera/core/tensor_map.h"
#include "tessera/io/tensor_file.h"
#include "tessera/systems/system.h"

namespace tessera::cases {

enum class Kind { kForward, kTrace, kProcedure };
const char* name_of(Kind kind);  ///< "forward", "trace", "procedure"

/// A case: what the authors' code was given and what it computed, as one safetensors file.
struct CaseFile {
  std::string path;
  const System* system = nullptr;
  Kind kind = Kind::kForward;
  Json config = Json::object();       ///< of the model; of the procedure where kind says so
  Json train;                         ///< of a trace: steps, optimizer, schedule, loss, …
  std::string procedure;              ///< of kind procedure
  at::ScalarType dtype = at::kFloat;  ///< of weights and arithmetic
  bool training = true;  ///< the model's mode: metadata `training`, config `mode` or `training`
  double rtol = 0, atol = 0;
  std::string source, note;  ///< which file of the authors' at which commit; remarks

  TensorMap weights;     ///< `weight/*`, under the authors' names
  TensorMap buffers;     ///< `buffer/*` before the forward
  TensorMap inputs;      ///< `input/*`
  TensorMap cotangents;  ///< `cotangent/*`, under the names of the outputs
  /// What was recorded, with its prefix: `output/*`, `grad/*`, `grad_input/*`, and the
  /// `buffer/*_after` of a forward in training. May be empty.
  TensorMap recorded;
};

/// Reads and checks a case. Prefixes and metadata that are not named above are ignored.
/// Throws BadFile (not a case, or damaged), Unsupported (a system or kind that is not here), Io.
CaseFile read_case(const std::string& path);

/// The same from a file that was read already; `path` is its name in messages.
CaseFile parse_case(const io::TensorFile& file, const std::string& path);

}  // namespace tessera::cases
