#pragma once

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "tessera/ops/cpu/padding.h"

namespace tessera::ops {

/// Lays out parts of one block of memory: a first pass without base counts, a second one places.
template <class T>
class Layout {
 public:
  explicit Layout(T* base = nullptr) : base_(base) {}
  T* take(int64_t count) {
    T* part = base_ == nullptr ? nullptr : base_ + size_;
    size_ += padded(count);
    return part;
  }
  int64_t size() const { return size_; }

 private:
  T* base_;
  int64_t size_ = 0;
};

/// Ranges that `work` multiply-adds are cut into: one for each thread, but none too small to pay
/// for waking it.
inline int64_t parts_for(int64_t work, int64_t most) {
  constexpr int64_t kLeastWork = 1 << 18;
  const int64_t threads = std::min<int64_t>(at::get_num_threads(), most);
  return std::clamp<int64_t>(work / kLeastWork, 1, threads);
}

/// Calls body(part) for each of `parts` ranges, in parallel. Which thread runs a part does not
/// matter to the result.
template <class Body>
void for_each_part(int64_t parts, const Body& body) {
  at::parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) body(part);
  });
}

/// First index of a part of [0, count).
inline int64_t part_begin(int64_t count, int64_t parts, int64_t part) {
  return count * part / parts;
}

enum class InstructionSet { kDefault, kAvx2, kAvx512 };

/// What ATen runs with (ATEN_CPU_CAPABILITY can lower it).
inline InstructionSet instruction_set() {
  static const InstructionSet set = [] {
    const std::string name = at::get_cpu_capability();
    if (name == "AVX512") return InstructionSet::kAvx512;
    return name == "AVX2" ? InstructionSet::kAvx2 : InstructionSet::kDefault;
  }();
  return set;
}

}  // namespace tessera::ops
