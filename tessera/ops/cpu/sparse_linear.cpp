#include "tessera/ops/sparse_linear_passes.h"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <vector>

#include "tessera/ops/cpu/graph.h"
#include "tessera/ops/cpu/sparse_linear_kernel.h"

namespace tessera::ops {

namespace {

template <class T>
const SparseLinearKernels<T>& sparse_linear_kernels() {
  static const SparseLinearKernels<T> chosen = [] {
    switch (instruction_set()) {
      case InstructionSet::kAvx512:
        return AVX512::sparse_linear_kernels<T>();
      case InstructionSet::kAvx2:
        return AVX2::sparse_linear_kernels<T>();
      default:
        return DEFAULT::sparse_linear_kernels<T>();
    }
  }();
  return chosen;
}

// The generic pass reads a row of G for each non-zero, at random. Where a row has many and G is
// larger than the caches, G is read once, panel by panel; where most of its rows are zeros, these
// are left out. Every sum has the order of its entries all the same: all ways give equal bits.

constexpr int64_t kPanelBytes = 512;           ///< of a row of the panel
constexpr int64_t kPanelRows = 1024;           ///< half of a second cache of 1 MiB
constexpr int64_t kLeastUses = 8;              ///< of a row, and of a sum before the next panel
constexpr int64_t kBytesToLeaveOut = 1 << 22;  ///< of G, from which looking for zeros pays
constexpr int64_t kBytesToCopy = 1 << 24;      ///< of G, from which panels pay by themselves

int64_t panels_of(int64_t rows) { return (rows + kPanelRows - 1) / kPanelRows; }

/// The rows of g that matter: a loss of few nodes leaves most of a graph's gradients 0. A row
/// beside a value that is not finite matters: 0 · ∞ is not 0.
template <class T>
std::vector<int64_t> rows_that_matter(const at::Tensor& g, const SparseMatrix& x,
                                      const at::Tensor& value) {
  const SparseLinearKernels<T>& kernels = sparse_linear_kernels<T>();
  const T *from = g.const_data_ptr<T>(), *values = value.const_data_ptr<T>();
  const int64_t* ptr = indices_of(x.row_ptr);
  const int64_t width = g.size(1);
  std::vector<char> matters(static_cast<size_t>(x.rows));
  at::parallel_for(0, x.rows, 512, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      matters[static_cast<size_t>(i)] = !kernels.is_zero(from + i * width, width) ||
                                        !kernels.is_finite(values + ptr[i], ptr[i + 1] - ptr[i]);
    }
  });
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < x.rows; ++i) {
    if (matters[static_cast<size_t>(i)] != 0) rows.push_back(i);
  }
  return rows;
}

/// The columns of x over some of its rows.
struct Columns {
  std::vector<int64_t> rows;
  at::Tensor place, value;   ///< of an entry: place of its row in `rows`; those left out are gaps
  std::vector<int64_t> end;  ///< of a column; it begins where col_ptr says
};

/// All of them, over all rows.
Columns all_columns(const SparseMatrix& x) {
  const int64_t* ptr = indices_of(x.col_ptr);
  Columns c{.rows = std::vector<int64_t>(static_cast<size_t>(x.rows)),
            .place = x.row,
            .value = x.value.index_select(0, x.place),
            .end = {ptr + 1, ptr + x.cols + 1}};
  std::iota(c.rows.begin(), c.rows.end(), 0);
  return c;
}

template <class T>
Columns columns_over(std::vector<int64_t> rows, const SparseMatrix& x, const at::Tensor& value) {
  Columns c{.rows = std::move(rows),
            .place = at::empty_like(x.row),
            .value = at::empty_like(value),
            .end = std::vector<int64_t>(static_cast<size_t>(x.cols))};
  std::vector<int64_t> place_of(static_cast<size_t>(x.rows), -1);
  for (size_t i = 0; i < c.rows.size(); ++i) {
    place_of[static_cast<size_t>(c.rows[i])] = static_cast<int64_t>(i);
  }
  const int64_t *ptr = indices_of(x.col_ptr), *row = indices_of(x.row);
  const int64_t* from = indices_of(x.place);
  const T* values = value.const_data_ptr<T>();
  auto* place = c.place.mutable_data_ptr<int64_t>();
  T* kept = c.value.mutable_data_ptr<T>();
  for_each_rows(ptr, x.cols, 1, [&](int64_t begin, int64_t end) {
    for (int64_t f = begin; f < end; ++f) {
      int64_t to = ptr[f];
      for (int64_t k = ptr[f]; k < ptr[f + 1]; ++k) {
        const int64_t at = place_of[static_cast<size_t>(row[k])];
        if (at < 0) continue;
        place[to] = at;
        kept[to++] = values[from[k]];
      }
      c.end[static_cast<size_t>(f)] = to;
    }
  });
  return c;
}

/// First entry of each column in each panel, [panels + 1][F]; empty where a column's entries do not
/// ascend from panel to panel.
std::vector<int64_t> panel_begins(const Columns& c, const SparseMatrix& x, int64_t panels) {
  const int64_t *ptr = indices_of(x.col_ptr), *place = indices_of(c.place);
  std::vector<int64_t> begins(static_cast<size_t>((panels + 1) * x.cols));
  std::atomic<bool> ascends = true;
  for_each_rows(ptr, x.cols, 1, [&](int64_t first, int64_t last) {
    for (int64_t f = first; f < last; ++f) {
      int64_t k = ptr[f];
      const int64_t end = c.end[static_cast<size_t>(f)];
      for (int64_t p = 0; p <= panels; ++p) {
        begins[static_cast<size_t>(p * x.cols + f)] = k;
        while (k < end && place[k] < (p + 1) * kPanelRows) {
          if (place[k++] < p * kPanelRows) ascends = false;
        }
      }
    }
  });
  if (!ascends) begins.clear();
  return begins;
}

/// Gᵀ x, turned; undefined where x's columns are not sorted.
template <class T>
at::Tensor multiply_panels(const at::Tensor& g, const SparseMatrix& x, const Columns& c) {
  const int64_t width = g.size(1), rows = static_cast<int64_t>(c.rows.size());
  if (rows == 0) return at::zeros({x.cols, width}, g.options());
  const int64_t panels = panels_of(rows);
  const std::vector<int64_t> begins = panel_begins(c, x, panels);
  if (begins.empty()) return {};

  const SparseLinearKernels<T>& kernels = sparse_linear_kernels<T>();
  const at::Tensor d_FO = at::empty({x.cols, width}, g.options());
  constexpr int64_t kColumns = kPanelBytes / static_cast<int64_t>(sizeof(T));
  const int64_t strips = (width + kColumns - 1) / kColumns;
  // A thread copies the rows of its strip itself: several share one only where strips are few.
  const int64_t threads = parts_for(x.value.numel() * width, strips * x.cols);
  const int64_t ranges = (threads + strips - 1) / strips;
  for_each_part(strips * ranges, [&](int64_t part) {
    const int64_t first = part / ranges * kColumns, range = part % ranges;
    const int64_t columns = std::min(kColumns, width - first);
    const int64_t* ptr = indices_of(x.col_ptr);
    const int64_t begin = row_of_part(ptr, x.cols, ranges, range);
    const int64_t end = row_of_part(ptr, x.cols, ranges, range + 1);
    std::vector<T> copy(static_cast<size_t>(kPanelRows * padded(columns)));
    PanelProduct<T> product{
        .panel = {.columns = columns, .stride = padded(columns), .values = copy.data()},
        .index = indices_of(c.place),
        .coefficient = c.value.const_data_ptr<T>(),
        .out = d_FO.mutable_data_ptr<T>() + first,
        .width = width};
    for (int64_t p = 0; p < panels; ++p) {
      product.first = p * kPanelRows;
      product.begin = begins.data() + p * x.cols;
      product.end = product.begin + x.cols;
      product.adds = p > 0;
      kernels.copy(g.const_data_ptr<T>() + first, width, c.rows.data() + product.first,
                   std::min(kPanelRows, rows - product.first), product.panel);
      kernels.multiply(product, begin, end);
    }
  });
  return d_FO;
}

/// The same where panels pay, else undefined.
template <class T>
at::Tensor backward_weight(const at::Tensor& d_out, const SparseMatrix& x) {
  const int64_t count = x.value.numel(), bytes = d_out.numel() * static_cast<int64_t>(sizeof(T));
  if (bytes < kBytesToLeaveOut || count < kLeastUses * x.rows) return {};
  const at::Tensor g = d_out.contiguous(), value = x.value.contiguous();
  std::vector<int64_t> rows = rows_that_matter<T>(g, x, value);
  if (2 * static_cast<int64_t>(rows.size()) <= x.rows) {
    return multiply_panels<T>(g, x, columns_over<T>(std::move(rows), x, value));
  }
  if (bytes < kBytesToCopy || count < kLeastUses * x.cols * panels_of(x.rows)) return {};
  return multiply_panels<T>(g, x, all_columns(x));
}

template <class T>
SparseGradients backward(const at::Tensor& d_out, const SparseMatrix& x, const at::Tensor& weight,
                         const SparseNeeds& needs) {
  if (needs[1] && !needs[0]) {
    const at::Tensor d_FO = backward_weight<T>(d_out, x);
    if (d_FO.defined()) return {at::Tensor(), d_FO.t()};
  }
  return sparse_linear_backward<T>(d_out, x, weight, needs, run_gather<T>);
}

}  // namespace

at::Tensor sparse_linear_cpu(const SparseMatrix& x, const at::Tensor& weight) {
  return weight.scalar_type() == at::kDouble
             ? sparse_linear_forward<double>(x, weight, run_gather<double>)
             : sparse_linear_forward<float>(x, weight, run_gather<float>);
}

SparseGradients sparse_linear_backward_cpu(const at::Tensor& d_out, const SparseMatrix& x,
                                           const at::Tensor& weight, const SparseNeeds& needs) {
  return weight.scalar_type() == at::kDouble ? backward<double>(d_out, x, weight, needs)
                                             : backward<float>(d_out, x, weight, needs);
}

}  // namespace tessera::ops
