#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>

#include "tessera/ops/cpu/graph_kernel.h"
#include "tessera/ops/cpu/workspace.h"

namespace tessera::ops {

/// The kernels of this machine's instruction set.
template <class T>
const GraphKernels<T>& graph_kernels() {
  static const GraphKernels<T> chosen = [] {
    switch (instruction_set()) {
      case InstructionSet::kAvx512:
        return AVX512::graph_kernels<T>();
      case InstructionSet::kAvx2:
        return AVX2::graph_kernels<T>();
      default:
        return DEFAULT::graph_kernels<T>();
    }
  }();
  return chosen;
}

/// First row of a part, where `parts` of them have about equal numbers of entries: a graph's few
/// large nodes would otherwise keep one thread busy alone.
inline int64_t row_of_part(const int64_t* ptr, int64_t rows, int64_t parts, int64_t part) {
  // An entry costs what a row costs.
  const auto cost = [&](int64_t row) { return ptr[row] + row; };
  if (part == parts) return rows;
  const int64_t target = cost(rows) / parts * part;
  int64_t low = 0, high = rows;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (cost(middle) < target) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/// Calls body(begin, end) for such ranges of rows in parallel. Every row lies in one range, and
/// nothing is summed across ranges, so the cut does not matter to the result.
template <class Body>
void for_each_rows(const int64_t* ptr, int64_t rows, int64_t width, const Body& body) {
  const int64_t parts = parts_for((ptr[rows] + rows) * std::max<int64_t>(width, 8), rows);
  for_each_part(parts, [&](int64_t part) {
    body(row_of_part(ptr, rows, parts, part), row_of_part(ptr, rows, parts, part + 1));
  });
}

template <class T>
void run_gather(const Gather<T>& g, int64_t rows) {
  if (rows == 0) return;
  for_each_rows(g.ptr, rows, g.width,
                [&](int64_t begin, int64_t end) { graph_kernels<T>().gather(g, begin, end); });
}

inline const int64_t* indices_of(const at::Tensor& list) { return list.const_data_ptr<int64_t>(); }

}  // namespace tessera::ops
