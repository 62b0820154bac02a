#pragma once

#include <ATen/ATen.h>

#include <array>

#include "tessera/ops/cpu/unicornn_recurrence_kernel.h"
#include "tessera/ops/cpu/workspace.h"
#include "tessera/ops/unicornn_recurrence.h"

// One layer of oscillators over a batch, as the kernels take it: shared by the operator over one
// layer (unicornn_recurrence.cpp) and the march over several (unicornn_stack.cpp).

namespace tessera::ops {

template <class T>
const UnicornnKernels<T>& unicornn_kernels() {
  static const UnicornnKernels<T> chosen = [] {
    switch (instruction_set()) {
      case InstructionSet::kAvx512:
        return AVX512::unicornn_kernels<T>();
      case InstructionSet::kAvx2:
        return AVX2::unicornn_kernels<T>();
      default:
        return DEFAULT::unicornn_kernels<T>();
    }
  }();
  return chosen;
}

template <class T>
class UnicornnLayer {
 public:
  UnicornnLayer(const UnicornnOscillators& oscillators, int64_t batch)
      : c_(oscillators.c), dt_(oscillators.dt) {
    const std::array<int64_t, 2> plane = {batch, oscillators.w.size(0)};
    w_ = oscillators.w.expand(plane).contiguous();
    // In double: float would round dt·sigmoid(c) twice.
    s_ = (at::sigmoid(c_.to(at::kDouble)) * dt_).to(c_.scalar_type()).expand(plane).contiguous();
    chains = {.w = w_.const_data_ptr<T>(),
              .s = s_.const_data_ptr<T>(),
              .alpha = static_cast<T>(oscillators.alpha),
              .stride = w_.numel()};
  }

  /// d(dt·sigmoid(c))/dc of each neuron, double.
  at::Tensor step_slope() const {
    const at::Tensor sigmoid = at::sigmoid(c_.to(at::kDouble));
    return sigmoid * (1 - sigmoid) * dt_;
  }

  /// Calls body(begin, end) for ranges of chains, in parallel.
  template <class Body>
  void for_each_range(int64_t steps, const Body& body) const {
    constexpr int64_t kOperations = 40;
    const int64_t lanes = (chains.stride + kLane - 1) / kLane;
    const int64_t parts =
        parts_for(steps * chains.stride * kOperations, std::min(kMaxThreads, lanes));
    for_each_part(parts, [&](int64_t part) {
      body(part_begin(lanes, parts, part) * kLane,
           std::min(part_begin(lanes, parts, part + 1) * kLane, chains.stride));
    });
  }

  void forward(const UnicornnForward<T>& run) const {
    for_each_range(run.steps, [&](int64_t begin, int64_t end) {
      unicornn_kernels<T>().forward(chains, run, begin, end);
    });
  }
  void rebuild(const UnicornnForward<T>& run) const {
    for_each_range(run.steps, [&](int64_t begin, int64_t end) {
      unicornn_kernels<T>().rebuild(chains, run, begin, end);
    });
  }
  void backward(const UnicornnBackward<T>& run) const {
    for_each_range(2 * run.steps, [&](int64_t begin, int64_t end) {
      unicornn_kernels<T>().backward(chains, run, begin, end);
    });
  }

  UnicornnChains<T> chains;

 private:
  at::Tensor c_, w_, s_;
  double dt_;
};

}  // namespace tessera::ops
