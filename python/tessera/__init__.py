"""Tessera's operators in Python: loads the C++ library, after which torch.ops.tessera.* exist."""

import os
from pathlib import Path
from typing import NamedTuple

import torch

__all__ = [
    "EdgeList", "Model", "SparseMatrix", "aggregated_conv2d", "causal_convolution", "compress",
    "edge_softmax", "egcl", "grid_linear", "grid_weights", "if_neuron", "lmu_cell", "lmu_chunked",
    "lmu_final_state", "load_library", "load_run", "masked_propagate", "mmse_threshold_search", "nn",
    "perceptron", "relu_dropout", "sort_edges", "sparse_conv2d", "sparse_linear", "unicornn_recurrence",
]


def load_library(path: str | None = None) -> str:
    """Registers the operators from `path`, from $TESSERA_LIBRARY, or from the release build of this
    source tree; returns the file that was loaded. Loading it twice does nothing."""
    root = Path(__file__).resolve().parents[2]
    found = path or os.environ.get("TESSERA_LIBRARY") or root / "build/release/lib/libtessera.so"
    if not Path(found).exists():
        raise FileNotFoundError(
            f"[tessera] no library at {found}. Build it (./run doctor) or name it in TESSERA_LIBRARY.")
    torch.ops.load_library(str(found))
    return str(found)


class EdgeList(NamedTuple):
    """Edges sorted by receiver, and the same grouped by sender (tessera/ops/edge_list.h)."""

    num_given: int
    row_ptr: torch.Tensor
    row: torch.Tensor
    col: torch.Tensor
    order: torch.Tensor
    sender_ptr: torch.Tensor
    sender_order: torch.Tensor


def sort_edges(edge_index: torch.Tensor, num_nodes: int,
               keep: torch.Tensor | None = None) -> EdgeList:
    """edge_index: int64 (2, E), row 0 the receivers. keep: (E,) edges with 0 or False are dropped."""
    return EdgeList(edge_index.shape[1], *torch.ops.tessera.sort_edges(edge_index, num_nodes, keep))


def causal_convolution(u, kernel):
    """Signals u (R, T) with the channels of kernel (L, C), causally: (R, T, C)
    (tessera/ops/causal_convolution.h)."""
    return torch.ops.tessera.causal_convolution(u, kernel)


def egcl(h, x, edges: EdgeList, edge_attr=None, edge_weight=None, *, edge_w1, edge_b1, edge_w2,
         edge_b2, att_w=None, att_b=None, coord_w1=None, coord_b1=None, coord_w2=None, **options):
    """The edge pass of an E(n)-equivariant layer (tessera/ops/egcl.h): returns (agg, x_delta).
    options: activation, coord_norm, coord_tanh, coord_mean, coord_clamp, weigh_coords."""
    return torch.ops.tessera.egcl(h, x, *edges, edge_attr, edge_weight, edge_w1, edge_b1, edge_w2,
                                  edge_b2, att_w, att_b, coord_w1, coord_b1, coord_w2, **options)


def lmu_cell(u, h, h0, m0, *, e_h, e_m, W_h, W_m, A, B):
    """The Legendre memory unit of 2019 over a whole sequence (tessera/ops/lmu_cell.h): u (T, B) and
    h (T, B, H) are what the input contributes; returns (h, m_n)."""
    return torch.ops.tessera.lmu_cell(u, h, h0, m0, e_h, e_m, W_h, W_m, A, B)


def lmu_chunked(u, impulse, A_t, m0=None, *, chunk=64):
    """The Legendre memory of signals u (R, T) at every step, by chunks (tessera/ops/lmu_chunked.h):
    (R, T, N)."""
    return torch.ops.tessera.lmu_chunked(u, m0, impulse, A_t, chunk)


def lmu_final_state(u, impulse):
    """The Legendre memory of u (B, T, M) after its last step (tessera/ops/lmu_final_state.h):
    (B, M, N)."""
    return torch.ops.tessera.lmu_final_state(u, impulse)


def edge_softmax(logits, edges: EdgeList):
    """Softmax over each receiver's edges, for every head (tessera/ops/edge_softmax.h).
    logits: (E,) or (E, heads) in the order of the edge index."""
    return torch.ops.tessera.edge_softmax(logits, edges.num_given, edges.row_ptr, edges.row,
                                          edges.order)


def masked_propagate(h, mask, edges: EdgeList):
    """Graph convolution whose coefficients come from edge masks and the degrees that they give
    (tessera/ops/masked_propagate.h). h: (N, H). mask: (E,) or (E, 1)."""
    return torch.ops.tessera.masked_propagate(h, mask, *edges)


class SparseMatrix(NamedTuple):
    """A matrix in compressed rows with its transpose (tessera/ops/sparse_matrix.h)."""

    value: torch.Tensor
    row_ptr: torch.Tensor
    col: torch.Tensor
    col_ptr: torch.Tensor
    row: torch.Tensor
    place: torch.Tensor


def compress(matrix: torch.Tensor) -> SparseMatrix:
    """From a dense or sparse matrix of two axes."""
    csr = matrix.detach().to_sparse_csr()
    # Copies: views would bring the sparse tensor along, which torch.compile cannot trace.
    row_ptr, col, value = (part.clone() for part in
                           (csr.crow_indices(), csr.col_indices(), csr.values()))
    transpose = torch.ops.tessera.transpose_rows(row_ptr, col, matrix.shape[1])
    return SparseMatrix(value, row_ptr, col, *transpose)


def sparse_linear(x: SparseMatrix, weight):
    """x · weightᵀ of a sparse x (N, F) and a dense weight (O, F) (tessera/ops/sparse_linear.h);
    fastest where the weight is stored as (F, O) and passed turned."""
    return torch.ops.tessera.sparse_linear(x.value, weight, *x[1:])


def perceptron(inputs, w1, b1, w2, b2=None, *, activation="silu", residual=False):
    """Two-layer perceptron of one to three inputs side by side (tessera/ops/perceptron.h)."""
    x, y, z = (*inputs, None, None)[:3]
    return torch.ops.tessera.perceptron(x, y, z, w1, b1, w2, b2, activation, residual)


def unicornn_recurrence(q, w, c, y0=None, z0=None, *, dt, alpha=0.0, mask=None, sequence=True):
    """The oscillators of one UnICORNN layer under a drive q (T, B, H)
    (tessera/ops/unicornn_recurrence.h): returns (y, y_n, z_n). Its backward rebuilds the states
    instead of keeping them."""
    return torch.ops.tessera.unicornn_recurrence(q, w, c, y0, z0, mask, dt, alpha, sequence)


def aggregated_conv2d(x, gates, weight, align=None, bias=None, *, stride=1, padding=0, dilation=1,
                      groups=1):
    """A convolution whose kernel is a gated sum of E sources, another for each sample of x
    (B, I, H, W) (tessera/ops/aggregated_conv2d.h). gates: (B, E) or (1, E)."""
    return torch.ops.tessera.aggregated_conv2d(x, gates, weight, align, bias, stride, padding, dilation,
                                               groups)


def grid_weights(g, sizes, low, high, periodic=None, *, interpolation="cubic", boundary="clamp"):
    """The nodes that coordinates g (B, D) blend on a grid, and their weights
    (tessera/ops/grid_weights.h): (index, weight), both (B, S). One entry an axis in the lists."""
    periodic = [int(p) for p in periodic or [False] * len(sizes)]
    return torch.ops.tessera.grid_weights(g, list(sizes), [float(v) for v in low],
                                          [float(v) for v in high], periodic, interpolation, boundary)


def grid_linear(x, weight, bias, index, node_weight):
    """A linear map blended of several nodes' for each sample (tessera/ops/grid_linear.h). weight:
    (K, out, in), bias: (K, out) or None; index and node_weight as grid_weights gives them."""
    return torch.ops.tessera.grid_linear(x, weight, bias, index, node_weight)


def if_neuron(current, threshold, potential=None, *, steps, shift_steps=0, constant=False, sum=False,
              membranes=False, residual=None, residual_scale=None, marks=False):
    """Integrate-and-fire neurons over all steps of time (tessera/ops/if_neuron.h): (spikes,
    membranes), the latter empty unless asked for. Not differentiable."""
    return torch.ops.tessera.if_neuron(current, threshold, potential, steps, shift_steps, constant, sum,
                                       membranes, residual, residual_scale, marks)


def mmse_threshold_search(a, steps, *, channel_wise=False):
    """The clip of a uniform quantiser with `steps` steps that has the least squared error on a
    (tessera/ops/mmse_threshold_search.h): (threshold, candidates, scores)."""
    return torch.ops.tessera.mmse_threshold_search(a, steps, channel_wise)


def relu_dropout(x, p, seed):
    """dropout(relu(x)) with the mask that `seed` draws, in one pass (tessera/ops/relu_dropout.h)."""
    return torch.ops.tessera.relu_dropout(x, p, seed)


def sparse_conv2d(x, packed, bias=None, *, stride=1, padding=0):
    """Convolution of mostly zero maps with a packed kernel (tessera/ops/sparse_conv2d.h)."""
    return torch.ops.tessera.sparse_conv2d(x, packed, bias, stride, padding)


from . import nn  # noqa: E402  (after the functions that its modules call)
from .model import Model, load_run  # noqa: E402
