"""Small valid arguments of every registered operator, for the tests that hold for all of them."""

import re
from pathlib import Path

import torch

import tessera

OPS = torch.ops.tessera
N, E, D = 5, 12, 4  # nodes, edges, width


def draw(*size, dtype, seed=0, scale=0.5):
    generator = torch.Generator().manual_seed(seed + sum(size))
    return (torch.randn(*size, generator=generator, dtype=torch.double) * scale).to(dtype)


def operators():
    """The names in tessera/ops/schema.cpp, which can be read before the library is loaded."""
    schema = Path(__file__).resolve().parents[2] / "tessera" / "ops" / "schema.cpp"
    return sorted(re.findall(r'm\.def\(\s*"(\w+)\(', schema.read_text()))


def samples(dtype):
    """{operator: (positional arguments, keyword arguments)}; floating tensors have `dtype`."""
    def t(*size, **how):
        return draw(*size, dtype=dtype, **how)

    generator = torch.Generator().manual_seed(3)
    index = torch.randint(0, N, (2, E), generator=generator)
    edges = tessera.sort_edges(index, N)
    made = {"sort_edges": ((index, N), {})}

    conv = (t(2, 3, 6, 6), t(2, 2), t(2, 4, 3, 3, 3), t(8, 4, 1, 1), t(2, 4))
    y, saved = OPS.aggregated_conv2d_forward(*conv, padding=1)
    made["aggregated_conv2d"] = made["aggregated_conv2d_forward"] = (conv, {"padding": 1})
    made["aggregated_conv2d_backward"] = ((t(*y.shape), saved, [True] * 5, *conv), {"padding": 1})

    signals = (t(3, 9), t(6, 4))
    made["causal_convolution"] = (signals, {})
    made["causal_convolution_backward"] = ((t(3, 9, 4), *signals, [True, True]), {})

    logits, groups = t(E, 2), (edges.num_given, edges.row_ptr, edges.row, edges.order)
    made["edge_softmax"] = ((logits, *groups), {})
    made["edge_softmax_backward"] = ((t(E, 2), OPS.edge_softmax(logits, *groups), *groups), {})

    egcl = (t(N, 3), t(N, 3, seed=1), *edges, t(E, 2), t(E), t(D, 9), t(D), t(D, D), t(D, seed=1), t(1, D),
            t(1), t(D, D, seed=1), t(D, seed=2), t(1, D, seed=1))
    agg, x_delta, saved = OPS.egcl_forward(*egcl)
    made["egcl"] = made["egcl_forward"] = (egcl, {"coord_norm": "plus_one"})
    made["egcl_backward"] = ((t(*agg.shape), t(*x_delta.shape), saved, [True] * 13, *egcl), {})

    coordinates = (torch.rand(3, 2, generator=generator, dtype=torch.double).to(dtype), [4, 3], [0.0, 0.0],
                   [1.0, 1.0], [0, 0])
    made["grid_weights"] = (coordinates, {})
    grid = (t(3, 2), t(12, D, 2), t(12, D), *OPS.grid_weights(*coordinates))
    made["grid_linear"] = (grid, {})
    made["grid_linear_backward"] = ((t(3, D), [True] * 4, *grid), {})

    made["if_neuron"] = ((t(8, 3, 5), t(1, 1, 1).abs(), None, 4), {"membranes": True})

    cell = (t(5, 2), t(5, 2, D), t(2, D), t(2, 3), t(1, D), t(1, 3), t(D, D), t(D, 3), t(3, 3), t(3, 1))
    h, m_n, m_all, u_all = OPS.lmu_cell_forward(*cell)
    made["lmu_cell"] = made["lmu_cell_forward"] = (cell, {})
    made["lmu_cell_backward"] = ((t(*h.shape), t(*m_n.shape), h, m_all, u_all, [True] * 10, *cell), {})

    chunked = (t(3, 9), t(3, D), t(9, D), t(D, D, scale=0.3))
    made["lmu_chunked"] = ((*chunked, 4), {})
    made["lmu_chunked_backward"] = ((t(3, 9, D), chunked[0], *chunked[2:], 4, [True, True]), {})
    final = (t(3, 9, 2), t(9, D))
    made["lmu_final_state"] = (final, {})
    made["lmu_final_state_backward"] = ((t(3, 2, D), *final, [True, True]), {})

    made["mmse_threshold_search"] = ((t(2, 3, 4, 5).abs(), 8), {})

    propagate = (t(N, D), t(E).abs(), *edges)
    made["masked_propagate"] = made["masked_propagate_forward"] = (propagate, {})
    _, scale = OPS.masked_propagate_forward(*propagate)
    made["masked_propagate_backward"] = ((t(N, D), scale, [True, True], *propagate), {})

    mlp = (t(7, 3), t(7, 2), None, t(D, 5), t(D), t(2, D), t(2))
    out, z1 = OPS.perceptron_forward(*mlp)
    made["perceptron"] = made["perceptron_forward"] = (mlp, {})
    made["perceptron_backward"] = ((t(*out.shape), z1, [True, True, False] + [True] * 4, *mlp), {})

    made["relu_dropout"] = ((t(N, D), 0.3, 7), {})
    made["relu_dropout_backward"] = ((t(N, D), OPS.relu_dropout(t(N, D), 0.3, 7), 0.3), {})

    made["sparse_conv2d"] = ((t(2, 3, 6, 6).relu(), t(1, 3, 3, 3, 16), t(16)), {"padding": 1})
    dense = t(N, 6)
    matrix = tessera.compress(dense * (dense > 0.1))
    sparse = (matrix.value, t(D, 6), *matrix[1:])
    made["sparse_linear"] = (sparse, {})
    made["sparse_linear_backward"] = ((t(N, D), [True, True], *sparse), {})
    made["transpose_rows"] = ((matrix.row_ptr, matrix.col, 6), {})

    both = lambda seed: [t(4, 6, seed=seed), t(3, seed=seed)]
    zeros = lambda: [torch.zeros_like(w) for w in both(0)]
    none = [torch.empty(0, dtype=dtype)] * 2
    made["sparsity_adam_"] = ((both(1), both(2), none, both(3), zeros(), zeros(), zeros(), zeros(), zeros(),
                               1, 0.01, 0.9, 0.999, 1e-8, 0.1, [0.2, 0.3]), {})

    oscillators = (t(6, 2, D), t(D), t(D, seed=1), t(2, D), t(2, D, seed=1), t(2, D, seed=2), 0.3, 4.0)
    y, y_n, z_n = OPS.unicornn_recurrence(*oscillators)
    made["unicornn_recurrence"] = (oscillators, {})
    made["unicornn_recurrence_backward"] = (
        (t(*y.shape), t(2, D), t(2, D), y_n, z_n, [True] * 6, *oscillators), {})
    return made
