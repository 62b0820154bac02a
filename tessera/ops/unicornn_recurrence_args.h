#pragma once

#include <array>

#include "tessera/ops/unicornn_recurrence.h"

// Between the files of the operator `unicornn_recurrence`; not for callers.

namespace tessera::ops {

struct UnicornnArgs {
  at::Tensor q;
  UnicornnOscillators oscillators;
  UnicornnState start;
  at::Tensor mask;
  bool sequence;
};

/// Tensor arguments in the order of the schema.
enum UnicornnPlace { kDrive, kW, kC, kY0, kZ0, kMask, kNumUnicornnTensors };
using UnicornnTensors = std::array<at::Tensor, kNumUnicornnTensors>;
using UnicornnNeeds = std::array<bool, kNumUnicornnTensors>;

UnicornnTensors tensors_of(const UnicornnArgs& args);

/// Throws InvalidArgument where the kernels would read outside of a tensor.
void check(const UnicornnArgs& args);

/// Gradients by the results; undefined ones are zero.
struct UnicornnCotangents {
  at::Tensor y, y_n, z_n;
};

/// The fused kernels. `end` is the state that the forward returned.
UnicornnResult unicornn_cpu(const UnicornnArgs& args);
UnicornnTensors unicornn_backward_cpu(const UnicornnCotangents& d, const UnicornnState& end,
                                      const UnicornnArgs& args, const UnicornnNeeds& needs);

/// The kernels of another device.
struct UnicornnDevice {
  bool (*fits)(const UnicornnArgs&);
  UnicornnResult (*forward)(const UnicornnArgs&);
  UnicornnTensors (*backward)(const UnicornnCotangents& d, const UnicornnState& end,
                              const UnicornnArgs& args, const UnicornnNeeds& needs);
};
/// Null where the build has no CUDA kernels; cuda/unicornn_recurrence_glue.cpp sets it.
const UnicornnDevice*& unicornn_cuda();

}  // namespace tessera::ops
