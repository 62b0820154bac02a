#include "tessera/ops/cpu/grid_linear_kernel.h"

#include "tessera/ops/cpu/pointwise.h"
#include "tessera/ops/cpu/tile.h"

namespace tessera::ops::CPU_CAPABILITY {

namespace {

/// Outputs and vectors of columns whose sums are held in registers, for four samples.
#if defined(CPU_CAPABILITY_AVX512)
constexpr int kOutputs = 6, kColumns = 4;
#else
constexpr int kOutputs = 2, kColumns = 2;
#endif

// ---- Forward: sums along the inputs, over all nodes, and across lanes only at the end ----------

/// y[row_r][o] += Σ_entries weight_r · W[node, o, :]·x_r, `kOut` outputs from o.
template <class T, int kRows, int kOut>
void add_products(const GridLinearProblem<T>& p, const T* const* x, const GridBlockEntry<T>* entry,
                  const GridBlockEntry<T>* end, int lane, int64_t o, T* const* y) {
  constexpr int64_t kWidth = Vec<T>::size();
  Vec<T> sum[kRows][kOut];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int i = 0; i < kOut; ++i) sum[r][i] = Vec<T>(T(0));
  }
  const int64_t whole = p.in - p.in % kWidth;
  for (; entry != end; ++entry) {
    const T* w = p.weight + (entry->node * p.out + o) * p.in;
    Vec<T> n[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) n[r] = Vec<T>(entry->weight[lane + r]);
#pragma GCC unroll 1
    for (int64_t k = 0; k < whole; k += kWidth) {
      Vec<T> scaled[kRows];
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) scaled[r] = n[r] * Vec<T>::loadu(x[r] + k);
#pragma GCC unroll 8
      for (int i = 0; i < kOut; ++i) {
        const Vec<T> w_i = Vec<T>::loadu(w + i * p.in + k);
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) sum[r][i] = at::vec::fmadd(scaled[r], w_i, sum[r][i]);
      }
    }
    if (whole == p.in) continue;
    Vec<T> scaled[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) scaled[r] = n[r] * load<T>(x[r] + whole, p.in - whole);
#pragma GCC unroll 8
    for (int i = 0; i < kOut; ++i) {
      const Vec<T> w_i = load<T>(w + i * p.in + whole, p.in - whole);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) sum[r][i] = at::vec::fmadd(scaled[r], w_i, sum[r][i]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int i = 0; i < kOut; ++i) y[r][o + i] += total(sum[r][i]);
  }
}

template <class T, int kRows>
void add_block(const GridLinearProblem<T>& p, const T* const* x, const GridBlockEntry<T>* first,
               const GridBlockEntry<T>* last, int lane, int64_t o, int64_t end, T* const* y) {
  for (; o + kOutputs <= end; o += kOutputs) {
    add_products<T, kRows, kOutputs>(p, x, first, last, lane, o, y);
  }
  for (; o < end; ++o) add_products<T, kRows, 1>(p, x, first, last, lane, o, y);
}

/// y = Σ_entries weight · bias, one sample.
template <class T>
void start_row(const GridLinearProblem<T>& p, const GridBlockEntry<T>* first,
               const GridBlockEntry<T>* last, int lane, int64_t begin, int64_t end, T* y) {
  for_each_vector<T>(end - begin, [&](int64_t c, int64_t count) {
    Vec<T> sum(T(0));
    if (p.bias != nullptr) {
      for (const GridBlockEntry<T>* e = first; e != last; ++e) {
        sum = at::vec::fmadd(Vec<T>(e->weight[lane]),
                             load<T>(p.bias + e->node * p.out + begin + c, count), sum);
      }
    }
    store<T>(sum, y + begin + c, count);
  });
}

template <class T>
void forward(const GridLinearProblem<T>& p, const GridBlock* blocks, int64_t num_blocks,
             const GridBlockEntry<T>* entries, int64_t begin, int64_t end, T* y) {
  // All nodes' rows of a few outputs stay in the second cache while the blocks pass over them.
  constexpr int64_t kGroup = 2 * kOutputs;
  for (int64_t b = 0; b < num_blocks; ++b) {
    for (int r = 0; r < blocks[b].num_rows; ++r) {
      start_row(p, entries + blocks[b].begin, entries + blocks[b].end, r, begin, end,
                y + blocks[b].rows[r] * p.out);
    }
  }
  for (int64_t o = begin; o < end; o += kGroup) {
    const int64_t o_end = o + kGroup < end ? o + kGroup : end;
    for (int64_t b = 0; b < num_blocks; ++b) {
      const GridBlock& block = blocks[b];
      const T* x[kGridRows];
      T* to[kGridRows];
      for (int r = 0; r < kGridRows; ++r) {
        x[r] = p.x + block.rows[r] * p.in;
        to[r] = y + block.rows[r] * p.out;
      }
      const GridBlockEntry<T>*first = entries + block.begin, *last = entries + block.end;
      if (block.num_rows == kGridRows) {
        add_block<T, kGridRows>(p, x, first, last, 0, o, o_end, to);
      } else {
        for (int r = 0; r < block.num_rows; ++r) {
          add_block<T, 1>(p, x + r, first, last, r, o, o_end, to + r);
        }
      }
    }
  }
}

// ---- Forward, node by node: each node's rows are read once --------------------------------------

/// y[row][o …] += n·(W[o …]·x[row] + b[o …]) of `kRows` samples of one node and `kOut` outputs.
template <class T, int kRows, int kOut>
void add_node(const GridLinearProblem<T>& p, const T* w, const T* b, const GridUse<T>* use,
              int64_t o, T* y) {
  constexpr int64_t kWidth = Vec<T>::size();
  const T* x[kRows];
  Vec<T> sum[kRows][kOut];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    x[r] = p.x + use[r].row * p.in;
#pragma GCC unroll 8
    for (int i = 0; i < kOut; ++i) sum[r][i] = Vec<T>(T(0));
  }
  const auto add = [&](int64_t k, int64_t count) {
    const bool is_whole = count == kWidth;
    Vec<T> x_k[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      x_k[r] = is_whole ? Vec<T>::loadu(x[r] + k) : load<T>(x[r] + k, count);
    }
#pragma GCC unroll 8
    for (int i = 0; i < kOut; ++i) {
      const T* from = w + i * p.in + k;
      __builtin_prefetch(from + kOut * p.in);  // the next outputs' row
      const Vec<T> w_i = is_whole ? Vec<T>::loadu(from) : load<T>(from, count);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) sum[r][i] = at::vec::fmadd(x_k[r], w_i, sum[r][i]);
    }
  };
  int64_t k = 0;
#pragma GCC unroll 1
  for (; k + kWidth <= p.in; k += kWidth) add(k, kWidth);
  if (k < p.in) add(k, p.in - k);
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    T* const to = y + use[r].row * p.out + o;
#pragma GCC unroll 8
    for (int i = 0; i < kOut; ++i) to[i] += use[r].weight * (total(sum[r][i]) + (b ? b[i] : T(0)));
  }
}

template <class T, int kOut>
void add_node_outputs(const GridLinearProblem<T>& p, int64_t node, int64_t o, const GridUse<T>* use,
                      const GridUse<T>* last, T* y) {
  const T* w = p.weight + (node * p.out + o) * p.in;
  const T* b = p.bias == nullptr ? nullptr : p.bias + node * p.out + o;
  for (; use + kGridRows <= last; use += kGridRows)
    add_node<T, kGridRows, kOut>(p, w, b, use, o, y);
  for (; use + 2 <= last; use += 2) add_node<T, 2, kOut>(p, w, b, use, o, y);
  if (use < last) add_node<T, 1, kOut>(p, w, b, use, o, y);
}

template <class T>
void forward_by_node(const GridLinearProblem<T>& p, const GridUses<T>& all, int64_t begin,
                     int64_t end, T* y) {
  for (int64_t row = 0; row < p.rows; ++row) fill_zero(y + row * p.out + begin, end - begin);
  for (int64_t node = 0; node < p.nodes; ++node) {
    const GridUse<T>*first = all.uses + all.begin[node], *last = all.uses + all.begin[node + 1];
    if (first == last) continue;
    int64_t o = begin;
    for (; o + kOutputs <= end; o += kOutputs) {
      add_node_outputs<T, kOutputs>(p, node, o, first, last, y);
    }
    for (; o < end; ++o) add_node_outputs<T, 1>(p, node, o, first, last, y);
  }
}

// ---- One sample ---------------------------------------------------------------------------------

/// sums[i] += n · (rows i of w times x), vectors of partial sums.
template <class T, int kRows>
void add_stream(int64_t in, const T* w, const T* x, const Vec<T>& n, T* sums) {
  constexpr int64_t kWidth = Vec<T>::size();
  Vec<T> sum[kRows];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) sum[i] = Vec<T>(T(0));
  int64_t k = 0;
#pragma GCC unroll 1
  for (; k + kWidth <= in; k += kWidth) {
    const Vec<T> x_k = Vec<T>::loadu(x + k);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      sum[i] = at::vec::fmadd(x_k, Vec<T>::loadu(w + i * in + k), sum[i]);
    }
  }
  if (k < in) {
    const Vec<T> x_k = load<T>(x + k, in - k);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      sum[i] = at::vec::fmadd(x_k, load<T>(w + i * in + k, in - k), sum[i]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
    at::vec::fmadd(n, sum[i], Vec<T>::loadu(sums + i * kWidth)).store(sums + i * kWidth);
  }
}

template <class T>
void forward_one(const GridLinearProblem<T>& p, const T* x, int64_t active, const int64_t* index,
                 const T* weight, int64_t begin, int64_t end, T* y) {
  // Long runs of consecutive memory, so that the processor fetches ahead by itself.
  constexpr int64_t kChunk = 32, kRows = 4, kWidth = Vec<T>::size();
  T sums[kChunk * kWidth];
  for (int64_t o = begin; o < end; o += kChunk) {
    const int64_t rows = end - o < kChunk ? end - o : kChunk;
    fill_zero(sums, rows * kWidth);
    for (int64_t s = 0; s < active; ++s) {
      const Vec<T> n(weight[s]);
      const T* w = p.weight + (index[s] * p.out + o) * p.in;
      int64_t i = 0;
      for (; i + kRows <= rows; i += kRows) {
        add_stream<T, kRows>(p.in, w + i * p.in, x, n, sums + i * kWidth);
      }
      for (; i < rows; ++i) add_stream<T, 1>(p.in, w + i * p.in, x, n, sums + i * kWidth);
    }
    for (int64_t i = 0; i < rows; ++i) {
      T bias = 0;
      if (p.bias != nullptr) {
        for (int64_t s = 0; s < active; ++s) bias += weight[s] * p.bias[index[s] * p.out + o + i];
      }
      y[o + i] = total(Vec<T>::loadu(sums + i * kWidth)) + bias;
    }
  }
}

template <class T>
void blend(int64_t active, const int64_t* index, const T* weight, const T* from, int64_t stride,
           int64_t count, T* to) {
  // A page of the result stays in the first cache while the nodes are added, four at a time.
  constexpr int64_t kPage = 1024;
  for (int64_t begin = 0; begin < count; begin += kPage) {
    const int64_t size = count - begin < kPage ? count - begin : kPage;
    T* const page = to + begin;
    int64_t s = 0;
    for (; s + 4 <= active; s += 4) {
      const T* f[4];
      for (int i = 0; i < 4; ++i) f[i] = from + index[s + i] * stride + begin;
      const Vec<T> n0(weight[s]), n1(weight[s + 1]), n2(weight[s + 2]), n3(weight[s + 3]);
      for_each_vector<T>(size, [&](int64_t c, int64_t n) {
        Vec<T> sum = n0 * load<T>(f[0] + c, n);
        sum = at::vec::fmadd(n1, load<T>(f[1] + c, n), sum);
        sum = at::vec::fmadd(n2, load<T>(f[2] + c, n), sum);
        sum = at::vec::fmadd(n3, load<T>(f[3] + c, n), sum);
        store<T>(s == 0 ? sum : sum + load<T>(page + c, n), page + c, n);
      });
    }
    for (; s < active; ++s) {
      const T* f = from + index[s] * stride + begin;
      const Vec<T> n_s(weight[s]);
      for_each_vector<T>(size, [&](int64_t c, int64_t n) {
        const Vec<T> add = n_s * load<T>(f + c, n);
        store<T>(s == 0 ? add : add + load<T>(page + c, n), page + c, n);
      });
    }
  }
}

template <class T>
void affine(int64_t in, int64_t out, const T* weight, const T* bias, const T* x, T* y) {
  constexpr int64_t kWidth = Vec<T>::size();
  const Vec<T> one(T(1));
  T sums[4 * kWidth];
  int64_t o = 0;
  for (; o + 4 <= out; o += 4) {
    fill_zero(sums, 4 * kWidth);
    add_stream<T, 4>(in, weight + o * in, x, one, sums);
    for (int i = 0; i < 4; ++i) y[o + i] = total(Vec<T>::loadu(sums + i * kWidth)) + bias[o + i];
  }
  for (; o < out; ++o) {
    fill_zero(sums, kWidth);
    add_stream<T, 1>(in, weight + o * in, x, one, sums);
    y[o] = total(Vec<T>::loadu(sums)) + bias[o];
  }
}

template <class T>
void elu(int64_t count, T* values) {
  const Vec<T> zero(T(0)), one(T(1));
  for_each_vector<T>(count, [&](int64_t c, int64_t n) {
    const Vec<T> z = load<T>(values + c, n);
    const Vec<T> below = exponential<T>(at::vec::minimum(z, zero)) - one;
    store<T>(Vec<T>::blendv(below, z, z > zero), values + c, n);
  });
}

// ---- Backward -----------------------------------------------------------------------------------

/// For samples of one node: v = Wᵀ d_y in `kVectors` vectors of columns from c; d_x += n v and
/// d_n += x·v. `count` is below the vector's size only where kVectors is 1.
template <class T, int kRows, int kVectors>
void add_transposed(const GridLinearProblem<T>& p, int64_t node, const GridUse<T>* uses,
                    const T* d_y, int64_t c, int64_t count, T* d_x, T* d_node) {
  constexpr int64_t kWidth = Vec<T>::size();
  const T* w = p.weight + node * p.out * p.in + c;
  const T* d[kRows];
  Vec<T> sum[kRows][kVectors];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    d[r] = d_y + uses[r].row * p.out;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = Vec<T>(T(0));
  }
  const bool is_whole = kVectors > 1 || count == kWidth;
#pragma GCC unroll 1
  for (int64_t o = 0; o < p.out; ++o, w += p.in) {
    Vec<T> w_o[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      w_o[v] = is_whole ? Vec<T>::loadu(w + v * kWidth) : Vec<T>::loadu(w, count);
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const Vec<T> d_o(d[r][o]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = at::vec::fmadd(d_o, w_o[v], sum[r][v]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    const Vec<T> n(uses[r].weight);
    Vec<T> dot(T(0));
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = uses[r].row * p.in + c + v * kWidth;
      const int64_t size = is_whole ? kWidth : count;
      store<T>(at::vec::fmadd(n, sum[r][v], load<T>(d_x + at, size)), d_x + at, size);
      if (d_node != nullptr) dot = at::vec::fmadd(load<T>(p.x + at, size), sum[r][v], dot);
    }
    if (d_node != nullptr) d_node[uses[r].place] += total(dot);
  }
}

template <class T>
void backward_x(const GridLinearProblem<T>& p, const GridUses<T>& all, const T* d_y, int64_t begin,
                int64_t end, T* d_x, T* d_node) {
  constexpr int64_t kWidth = Vec<T>::size();
  for (int64_t row = 0; row < p.rows; ++row) fill_zero(d_x + row * p.in + begin, end - begin);
  for (int64_t node = 0; node < p.nodes; ++node) {
    const GridUse<T>*first = all.uses + all.begin[node], *last = all.uses + all.begin[node + 1];
    if (first == last) continue;
    const auto columns = [&](auto vectors, int64_t c, int64_t count) {
      const GridUse<T>* use = first;
      for (; use + kGridRows <= last; use += kGridRows) {
        add_transposed<T, kGridRows, vectors>(p, node, use, d_y, c, count, d_x, d_node);
      }
      for (; use < last; ++use) {
        add_transposed<T, 1, vectors>(p, node, use, d_y, c, count, d_x, d_node);
      }
    };
    int64_t c = begin;
    for (; c + kColumns * kWidth <= end; c += kColumns * kWidth) {
      columns(std::integral_constant<int, kColumns>{}, c, kWidth);
    }
    for (; c < end; c += kWidth) {
      columns(std::integral_constant<int, 1>{}, c, end - c < kWidth ? end - c : kWidth);
    }
  }
}

/// d_w[i][c …] = Σ_uses scaled[use][i] · x[use.row][c …] of kRows outputs.
template <class T, int kRows, int kVectors>
void outer(int64_t in, int64_t uses, const GridUse<T>* use, const T* scaled, int64_t ld, const T* x,
           int64_t c, int64_t count, T* d_w) {
  constexpr int64_t kWidth = Vec<T>::size();
  Vec<T> sum[kRows][kVectors];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[i][v] = Vec<T>(T(0));
  }
  const bool is_whole = kVectors > 1 || count == kWidth;
#pragma GCC unroll 1
  for (int64_t u = 0; u < uses; ++u) {
    const T* row = x + use[u].row * in + c;
    Vec<T> x_u[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      x_u[v] = is_whole ? Vec<T>::loadu(row + v * kWidth) : Vec<T>::loadu(row, count);
    }
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const Vec<T> s(scaled[u * ld + i]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[i][v] = at::vec::fmadd(s, x_u[v], sum[i][v]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      T* const to = d_w + i * in + c + v * kWidth;
      is_whole ? sum[i][v].store(to) : sum[i][v].store(to, count);
    }
  }
}

template <class T>
void backward_weight(const GridLinearProblem<T>& p, const GridUses<T>& all, const T* d_y,
                     int64_t begin, int64_t end, T* d_weight, T* d_bias, T* scratch) {
  constexpr int64_t kWidth = Vec<T>::size(), kRows = 4;
  const int64_t outs = end - begin;
  for (int64_t node = 0; node < p.nodes; ++node) {
    const GridUse<T>* use = all.uses + all.begin[node];
    const int64_t uses = all.begin[node + 1] - all.begin[node];
    for (int64_t u = 0; u < uses; ++u) {
      const T* d = d_y + use[u].row * p.out + begin;
      const Vec<T> n(use[u].weight);
      for_each_vector<T>(outs, [&](int64_t c, int64_t count) {
        store<T>(n * load<T>(d + c, count), scratch + u * outs + c, count);
      });
    }
    if (d_bias != nullptr) {
      T* const to = d_bias + node * p.out + begin;
      fill_zero(to, outs);
      add_rows(uses, outs, scratch, outs, to);
    }
    if (d_weight == nullptr) continue;
    T* const d_w = d_weight + (node * p.out + begin) * p.in;
    if (uses == 0) {
      fill_zero(d_w, outs * p.in);
      continue;
    }
    const auto columns = [&](auto vectors, int64_t c, int64_t count) {
      int64_t o = 0;
      for (; o + kRows <= outs; o += kRows) {
        outer<T, kRows, vectors>(p.in, uses, use, scratch + o, outs, p.x, c, count, d_w + o * p.in);
      }
      for (; o < outs; ++o) {
        outer<T, 1, vectors>(p.in, uses, use, scratch + o, outs, p.x, c, count, d_w + o * p.in);
      }
    };
    int64_t c = 0;
    for (; c + kColumns * kWidth <= p.in; c += kColumns * kWidth) {
      columns(std::integral_constant<int, kColumns>{}, c, kWidth);
    }
    for (; c < p.in; c += kWidth) {
      columns(std::integral_constant<int, 1>{}, c, p.in - c < kWidth ? p.in - c : kWidth);
    }
  }
}

}  // namespace

template <class T>
GridLinearKernels<T> grid_linear_kernels() {
  return {forward<T>,         forward_by_node<T>, forward_one<T>, backward_x<T>,
          backward_weight<T>, blend<T>,           affine<T>,      elu<T>};
}
template GridLinearKernels<float> grid_linear_kernels<float>();
template GridLinearKernels<double> grid_linear_kernels<double>();

}  // namespace tessera::ops::CPU_CAPABILITY
