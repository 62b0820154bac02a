#include "tessera/ops/cuda/egcl_cuda.h"
#include "tessera/ops/cuda/warp.cuh"

// One block owns a range of receivers and walks their edges in tiles, so that every sum has one
// writer: deterministic, without atomics. A tile's activations stay in shared memory.

namespace tessera::ops::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kEdges = 64;  // rows of a tile
constexpr int kPanel = 64;  // columns that a block computes at once: 4 × 4 for each thread
constexpr int kDepth = 16;  // rows of the right factor in shared memory at once
constexpr int kMaxCoords = 16;

using Problem = EgclProblem<float>;

// ---- Pointwise ----------------------------------------------------------------------------------

__device__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

__device__ float activated(Activation activation, float z) {
  switch (activation) {
    case Activation::kSilu:
      return z / (1.0f + expf(-z));
    case Activation::kRelu:
      return fmaxf(z, 0.0f);
    default:
      return z > 0.0f ? z : float(kLeakySlope) * z;
  }
}

__device__ float slope(Activation activation, float z) {
  switch (activation) {
    case Activation::kSilu: {
      const float s = sigmoid(z);
      return s + z * s * (1.0f - s);
    }
    case Activation::kRelu:
      return z > 0.0f ? 1.0f : 0.0f;
    default:
      return z > 0.0f ? 1.0f : float(kLeakySlope);
  }
}

// ---- A tile -------------------------------------------------------------------------------------

struct Tile {
  int64_t first;  // edge
  int count;
};

/// The range of receivers of this block and a walk over their edges.
template <class Body>
__device__ void for_each_tile(const Problem& p, int64_t nodes_per_block, const Body& body) {
  const int64_t begin = blockIdx.x * nodes_per_block;
  const int64_t end = min(begin + nodes_per_block, p.num_nodes);
  const int64_t last = p.row_ptr[end];
  for (int64_t e = p.row_ptr[begin]; e < last; e += kEdges) {
    body(Tile{e, int(min(int64_t(kEdges), last - e))});
    __syncthreads();
  }
}

/// Calls body(row, column) for every element of a tile, neighbouring threads on neighbouring
/// columns.
template <class Body>
__device__ void for_each_element(int rows, int cols, const Body& body) {
  for (int i = threadIdx.x; i < rows * cols; i += kThreads) body(i / cols, i % cols);
}

/// out(row, column, Σ_k a[row][k]·b[k][column]) for kEdges rows; a in shared memory, b depth-major
/// in global memory with rows of `cols`.
template <class Out>
__device__ void multiply(const float* a, int lda, const float* b, int depth, int cols, float* panel,
                         const Out& out) {
  const int row = threadIdx.x / 16 * 4, col = threadIdx.x % 16 * 4;
  for (int c0 = 0; c0 < cols; c0 += kPanel) {
    float sum[4][4] = {};
    for (int k0 = 0; k0 < depth; k0 += kDepth) {
      __syncthreads();
      for (int i = threadIdx.x; i < kDepth * kPanel; i += kThreads) {
        const int k = k0 + i / kPanel, c = c0 + i % kPanel;
        panel[i] = k < depth && c < cols ? b[int64_t(k) * cols + c] : 0.0f;
      }
      __syncthreads();
      const int steps = min(kDepth, depth - k0);
      for (int k = 0; k < steps; ++k) {
        const float4 right = *reinterpret_cast<const float4*>(panel + k * kPanel + col);
#pragma unroll
        for (int r = 0; r < 4; ++r) {
          const float left = a[(row + r) * lda + k0 + k];
          sum[r][0] = fmaf(left, right.x, sum[r][0]);
          sum[r][1] = fmaf(left, right.y, sum[r][1]);
          sum[r][2] = fmaf(left, right.z, sum[r][2]);
          sum[r][3] = fmaf(left, right.w, sum[r][3]);
        }
      }
    }
#pragma unroll
    for (int r = 0; r < 4; ++r) {
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        if (c0 + col + c < cols) out(row + r, c0 + col + c, sum[r][c]);
      }
    }
  }
  __syncthreads();
}

/// What an edge knows of its positions, in shared memory.
struct Geometry {
  float diff[kEdges][kMaxCoords];
  float r2[kEdges], scale[kEdges];
};

__device__ void read_geometry(const Problem& p, const Tile& tile, Geometry& g) {
  if (p.x == nullptr || threadIdx.x >= tile.count) return;
  const int t = threadIdx.x, n = int(p.coord_dim);
  const float *x_i = p.x + p.row[tile.first + t] * n, *x_j = p.x + p.col[tile.first + t] * n;
  float r2 = 0.0f;
  for (int c = 0; c < n; ++c) {
    g.diff[t][c] = x_i[c] - x_j[c];
    r2 = fmaf(g.diff[t][c], g.diff[t][c], r2);
  }
  g.r2[t] = r2;
  g.scale[t] = p.coord_norm == CoordNorm::kNone   ? 1.0f
               : p.coord_norm == CoordNorm::kUnit ? 1.0f / (sqrtf(r2) + float(kUnitNormEpsilon))
                                                  : 1.0f / (sqrtf(r2) + 1.0f);
}

/// z1 = P_i + Q_j + W_r r² + W_e e_ij; 0 in the rows behind the last edge.
template <class Out>
__device__ void first_preactivation(const Problem& p, const float* pq, const Tile& tile,
                                    const Geometry& g, const Out& out) {
  const int64_t row = p.row_size(), columns = p.w1_columns();
  for_each_element(kEdges, int(p.dim), [&](int t, int c) {
    float z = 0.0f;
    if (t < tile.count) {
      const int64_t e = tile.first + t;
      z = pq[p.row[e] * 2 * row + c] + pq[p.col[e] * 2 * row + row + c];
      const float* w = p.edge_w1 + c * columns + 2 * p.in_dim;
      if (p.x != nullptr) z = fmaf(*w++, g.r2[t], z);
      const float* attr = p.edge_attr + p.order[e] * p.attr_dim;
      for (int k = 0; k < p.attr_dim; ++k) z = fmaf(w[k], attr[k], z);
    }
    out(t, c, z);
  });
}

/// gate · edge_weight of each edge, in shared memory.
__device__ void message_factor(const Problem& p, const Tile& tile, const float* gate,
                               float* factor) {
  if (threadIdx.x >= tile.count) return;
  const int t = threadIdx.x;
  float f = p.att_w != nullptr ? gate[t] : 1.0f;
  if (p.edge_weight != nullptr) f *= p.edge_weight[p.order[tile.first + t]];
  factor[t] = f;
}

/// result[t] = Σ_c value(t, c), one warp for each row.
template <class Value>
__device__ void row_sums(int rows, int cols, float* result, const Value& value) {
  for (int t = threadIdx.x / 32; t < rows; t += kThreads / 32) {
    float sum = 0.0f;
    for (int c = threadIdx.x % 32; c < cols; c += 32) sum += value(t, c);
    sum = warp_sum(sum);
    if (threadIdx.x % 32 == 0) result[t] = sum;
  }
  __syncthreads();
}

/// to[receiver][column] += the rows of its edges in this tile.
__device__ void add_to_receivers(const Problem& p, const Tile& tile, const float* from, int ld,
                                 int cols, float* to, int64_t to_row) {
  for (int c = threadIdx.x; c < cols; c += kThreads) {
    int64_t receiver = p.row[tile.first];
    float sum = 0.0f;
    for (int t = 0; t < tile.count; ++t) {
      const int64_t i = p.row[tile.first + t];
      if (i != receiver) {
        to[receiver * to_row + c] += sum;
        receiver = i;
        sum = 0.0f;
      }
      sum += from[t * ld + c];
    }
    to[receiver * to_row + c] += sum;
  }
}

__device__ void zero_rows(const Problem& p, int64_t nodes_per_block, float* to, int64_t to_row,
                          int64_t cols) {
  const int64_t begin = blockIdx.x * nodes_per_block;
  const int64_t end = min(begin + nodes_per_block, p.num_nodes);
  for (int64_t i = threadIdx.x; i < (end - begin) * cols; i += kThreads) {
    to[(begin + i / cols) * to_row + i % cols] = 0.0f;
  }
  __syncthreads();
}

// ---- Forward ------------------------------------------------------------------------------------

__global__ void __launch_bounds__(kThreads, 2)
    forward_kernel(Problem p, EgclMatrices w, EgclForward<float> f, int64_t nodes_per_block) {
  extern __shared__ float4 shared[];
  __shared__ Geometry g;
  __shared__ float panel[kDepth * kPanel], gate[kEdges], factor[kEdges], s[kEdges];
  const int d = int(p.dim), n = int(p.coord_dim);
  const int64_t row = p.row_size();
  float* a = reinterpret_cast<float*>(shared);
  float* m = a + kEdges * d;

  zero_rows(p, nodes_per_block, f.agg, d, d);
  if (p.has_head()) zero_rows(p, nodes_per_block, f.x_delta, n, n);
  for_each_tile(p, nodes_per_block, [&](const Tile& tile) {
    read_geometry(p, tile, g);
    __syncthreads();
    first_preactivation(p, f.saved.pq, tile, g,
                        [&](int t, int c, float z) { a[t * d + c] = activated(p.activation, z); });
    multiply(a, d, w.w2_t, d, d, panel, [&](int t, int c, float sum) {
      const float z2 = sum + p.edge_b2[c];
      if (f.saved.z2 != nullptr && t < tile.count) f.saved.z2[(tile.first + t) * row + c] = z2;
      m[t * d + c] = activated(p.activation, z2);
    });
    if (p.att_w != nullptr) {
      row_sums(tile.count, d, gate, [&](int t, int c) { return m[t * d + c] * p.att_w[c]; });
      if (threadIdx.x < tile.count) {
        gate[threadIdx.x] = sigmoid(gate[threadIdx.x] + *p.att_b);
        if (f.saved.gate != nullptr) f.saved.gate[tile.first + threadIdx.x] = gate[threadIdx.x];
      }
    }
    if (p.att_w != nullptr || p.edge_weight != nullptr) {
      __syncthreads();
      message_factor(p, tile, gate, factor);
      __syncthreads();
      for_each_element(tile.count, d, [&](int t, int c) { m[t * d + c] *= factor[t]; });
    }
    __syncthreads();
    add_to_receivers(p, tile, m, d, d, f.agg, d);
    if (!p.has_head()) return;

    multiply(m, d, w.coord_w1_t, d, d, panel, [&](int t, int c, float sum) {
      const float z3 = sum + p.coord_b1[c];
      if (f.saved.z3 != nullptr && t < tile.count) f.saved.z3[(tile.first + t) * row + c] = z3;
      a[t * d + c] = activated(p.activation, z3);
    });
    row_sums(tile.count, d, s, [&](int t, int c) { return a[t * d + c] * p.coord_w2[c]; });
    if (threadIdx.x < tile.count) {
      const int t = threadIdx.x;
      if (p.coord_tanh) s[t] = tanhf(s[t]);
      if (f.saved.s != nullptr) f.saved.s[tile.first + t] = s[t];
      const int64_t i = p.row[tile.first + t];
      const float share = p.coord_mean ? 1.0f / float(p.row_ptr[i + 1] - p.row_ptr[i]) : 1.0f;
      for (int c = 0; c < n; ++c) {
        float step = g.diff[t][c] * g.scale[t] * s[t];
        if (p.has_clamp) step = fminf(fmaxf(step, -p.coord_clamp), p.coord_clamp);
        g.diff[t][c] = step * share;
      }
    }
    __syncthreads();
    add_to_receivers(p, tile, &g.diff[0][0], kMaxCoords, n, f.x_delta, n);
  });
}

// ---- Backward -----------------------------------------------------------------------------------

__global__ void __launch_bounds__(kThreads, 2)
    backward_kernel(Problem p, EgclMatrices w, EgclSaved<float> saved, EgclBackwardArrays b,
                    int64_t nodes_per_block) {
  extern __shared__ float4 shared[];
  __shared__ Geometry g;
  __shared__ float d_unit[kEdges][kMaxCoords];
  __shared__ float panel[kDepth * kPanel], factor[kEdges], inner[kEdges], d_s[kEdges];
  const int d = int(p.dim), n = int(p.coord_dim);
  const int64_t row = p.row_size();
  const bool has_factor = p.att_w != nullptr || p.edge_weight != nullptr;
  const bool has_step = p.has_head() && b.d_x_delta != nullptr;
  float* z1 = reinterpret_cast<float*>(shared);
  float* left = z1 + kEdges * d;   // left factor of the next product
  float* d_m = left + kEdges * d;  // later d_z1

  zero_rows(p, nodes_per_block, b.d_pq, 2 * row, row);
  for_each_tile(p, nodes_per_block, [&](const Tile& tile) {
    const auto at = [&](int t, int c) { return (tile.first + t) * row + c; };
    read_geometry(p, tile, g);
    if (has_factor) message_factor(p, tile, saved.gate + tile.first, factor);
    __syncthreads();
    const auto m_hat = [&](int t, int c) { return activated(p.activation, saved.z2[at(t, c)]); };
    first_preactivation(p, saved.pq, tile, g, [&](int t, int c, float z) {
      z1[t * d + c] = z;
      if (t < tile.count) b.a1[at(t, c)] = activated(p.activation, z);
    });

    for_each_element(kEdges, d, [&](int t, int c) {
      const bool inside = t < tile.count && b.d_agg != nullptr;
      d_m[t * d + c] = inside ? b.d_agg[p.row[tile.first + t] * d + c] : 0.0f;
    });
    if (has_step) {
      if (threadIdx.x < tile.count) {
        const int t = threadIdx.x;
        const int64_t i = p.row[tile.first + t];
        const float s = saved.s[tile.first + t];
        const float share = p.coord_mean ? 1.0f / float(p.row_ptr[i + 1] - p.row_ptr[i]) : 1.0f;
        float sum = 0.0f;
        for (int c = 0; c < n; ++c) {
          const float unit = g.diff[t][c] * g.scale[t];
          float d_step = b.d_x_delta[i * n + c] * share;
          if (p.has_clamp && fabsf(unit * s) > p.coord_clamp) d_step = 0.0f;
          sum = fmaf(d_step, unit, sum);
          d_unit[t][c] = d_step * s;
        }
        d_s[t] = p.coord_tanh ? sum * (1.0f - s * s) : sum;
        b.d_s[tile.first + t] = d_s[t];
      }
      __syncthreads();
      for_each_element(kEdges, d, [&](int t, int c) {
        float value = 0.0f;
        if (t < tile.count) {
          value = d_s[t] * p.coord_w2[c] * slope(p.activation, saved.z3[at(t, c)]);
          b.d_z3[at(t, c)] = value;
          b.m[at(t, c)] = m_hat(t, c) * (has_factor ? factor[t] : 1.0f);
        }
        left[t * d + c] = value;
      });
      multiply(left, d, w.coord_w1, d, d, panel,
               [&](int t, int c, float sum) { d_m[t * d + c] += sum; });
    }
    __syncthreads();
    if (has_factor) {
      row_sums(tile.count, d, inner, [&](int t, int c) { return d_m[t * d + c] * m_hat(t, c); });
      if (threadIdx.x < tile.count) {
        const int t = threadIdx.x;
        const int64_t e = tile.first + t;
        const float gate = p.att_w != nullptr ? saved.gate[e] : 1.0f;
        if (b.d_edge_weight != nullptr) b.d_edge_weight[p.order[e]] = inner[t] * gate;
        inner[t] = p.att_w != nullptr ? inner[t] * factor[t] * (1.0f - gate) : 0.0f;
        b.d_logit[e] = inner[t];
      }
      __syncthreads();
    }
    for_each_element(kEdges, d, [&](int t, int c) {
      float value = 0.0f;
      if (t < tile.count) {
        value = d_m[t * d + c];
        if (has_factor) value *= factor[t];
        if (p.att_w != nullptr) value = fmaf(inner[t], p.att_w[c], value);
        value *= slope(p.activation, saved.z2[at(t, c)]);
        b.d_z2[at(t, c)] = value;
      }
      left[t * d + c] = value;
    });
    multiply(left, d, w.w2, d, d, panel, [&](int t, int c, float sum) {
      const float value = sum * slope(p.activation, z1[t * d + c]);
      d_m[t * d + c] = value;
      if (t < tile.count) b.d_z1[at(t, c)] = value;
    });
    add_to_receivers(p, tile, d_m, d, d, b.d_pq, 2 * row);

    const int64_t columns = p.w1_columns();
    const float* w_features = p.edge_w1 + 2 * p.in_dim;
    if (b.d_x != nullptr) {
      row_sums(tile.count, d, inner,
               [&](int t, int c) { return d_m[t * d + c] * w_features[c * columns]; });
      if (threadIdx.x < tile.count) {
        const int t = threadIdx.x;
        float along = 2.0f * inner[t];
        if (has_step && p.coord_norm == CoordNorm::kPlusOne && g.r2[t] > 0.0f) {
          float sum = 0.0f;
          for (int c = 0; c < n; ++c) sum = fmaf(g.diff[t][c], d_unit[t][c], sum);
          along -= sum * g.scale[t] * g.scale[t] * rsqrtf(g.r2[t]);
        }
        const bool self = p.row[tile.first + t] == p.col[tile.first + t];
        for (int c = 0; c < n; ++c) {
          const float value = along * g.diff[t][c] + (has_step ? d_unit[t][c] * g.scale[t] : 0.0f);
          b.d_diff[(tile.first + t) * n + c] = self ? 0.0f : value;
        }
      }
    }
    if (b.d_edge_attr != nullptr) {
      const float* w_attr = w_features + (p.x != nullptr ? 1 : 0);
      for (int k = 0; k < p.attr_dim; ++k) {
        __syncthreads();
        row_sums(tile.count, d, inner,
                 [&](int t, int c) { return d_m[t * d + c] * w_attr[c * columns + k]; });
        if (threadIdx.x < tile.count) {
          b.d_edge_attr[p.order[tile.first + threadIdx.x] * p.attr_dim + k] = inner[threadIdx.x];
        }
      }
    }
  });
}

/// Q's half of d_pq and d_x: each node reads its edges, grouped by sender and by receiver.
__global__ void __launch_bounds__(kThreads, 2) senders_kernel(Problem p, EgclBackwardArrays b) {
  const int64_t row = p.row_size(), n = p.coord_dim, i = blockIdx.x;
  const int64_t begin = p.sender_ptr[i], end = p.sender_ptr[i + 1];
  for (int64_t c = threadIdx.x; c < p.dim; c += blockDim.x) {
    float sum = 0.0f;
    for (int64_t k = begin; k < end; ++k) sum += b.d_z1[p.sender_order[k] * row + c];
    b.d_pq[i * 2 * row + row + c] = sum;
  }
  if (b.d_x == nullptr) return;
  for (int64_t c = threadIdx.x; c < n; c += blockDim.x) {
    float sum = 0.0f;
    for (int64_t e = p.row_ptr[i]; e < p.row_ptr[i + 1]; ++e) sum += b.d_diff[e * n + c];
    for (int64_t k = begin; k < end; ++k) sum -= b.d_diff[p.sender_order[k] * n + c];
    b.d_x[i * n + c] = sum;
  }
}

/// Receivers of one block: about a tile of edges.
int64_t nodes_per_block(const Problem& p) {
  const int64_t nodes = p.num_edges > 0 ? p.num_nodes * kEdges / p.num_edges : kEdges;
  return nodes < 1 ? 1 : nodes > kEdges ? kEdges : nodes;
}

template <class Kernel>
cudaError_t allow_shared(Kernel kernel, size_t bytes) {
  return cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(bytes));
}

}  // namespace

cudaError_t egcl_forward(const Problem& p, const EgclMatrices& w, const EgclForward<float>& f,
                         cudaStream_t stream) {
  if (p.num_nodes == 0) return cudaSuccess;
  const int64_t nodes = nodes_per_block(p);
  const size_t shared = 2 * kEdges * p.dim * sizeof(float);
  if (const cudaError_t error = allow_shared(forward_kernel, shared)) return error;
  forward_kernel<<<unsigned((p.num_nodes + nodes - 1) / nodes), kThreads, shared, stream>>>(p, w, f,
                                                                                            nodes);
  return cudaGetLastError();
}

cudaError_t egcl_backward(const Problem& p, const EgclMatrices& w, const EgclSaved<float>& saved,
                          const EgclBackwardArrays& b, cudaStream_t stream) {
  if (p.num_nodes == 0) return cudaSuccess;
  const int64_t nodes = nodes_per_block(p);
  const size_t shared = 3 * kEdges * p.dim * sizeof(float);
  if (const cudaError_t error = allow_shared(backward_kernel, shared)) return error;
  backward_kernel<<<unsigned((p.num_nodes + nodes - 1) / nodes), kThreads, shared, stream>>>(
      p, w, saved, b, nodes);
  if (const cudaError_t error = cudaGetLastError()) return error;
  senders_kernel<<<unsigned(p.num_nodes), 128, 0, stream>>>(p, b);
  return cudaGetLastError();
}

}  // namespace tessera::ops::cuda
