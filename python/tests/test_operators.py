"""The registered operators as Python sees them: gradients, torch.compile, Meta kernels, rules."""

import pytest
import torch
from torch.library import opcheck

import tessera

NODES, EDGES, D_IN, D, N_COORDS, E_ATTR = 5, 14, 3, 6, 3, 2


def draw(*size, scale=0.5, dtype=torch.double, seed=0):
    generator = torch.Generator().manual_seed(seed + sum(size))
    value = torch.randn(*size, generator=generator, dtype=torch.double) * scale
    return value.to(dtype).requires_grad_()


def graph():
    generator = torch.Generator().manual_seed(1)
    row = torch.randint(0, NODES - 1, (EDGES,), generator=generator)  # the last node receives nothing
    col = (row + 1 + torch.randint(0, NODES - 1, (EDGES,), generator=generator)) % NODES
    return torch.stack([row, col])


def arguments(dtype=torch.double, attention=True, head=True, weight=True, attr=True, x=True):
    """Keyword arguments of tessera.egcl; everything that can be differentiated requires it."""
    columns = 2 * D_IN + (1 if x else 0) + (E_ATTR if attr else 0)
    made = {
        "h": draw(NODES, D_IN, dtype=dtype),
        "x": draw(NODES, N_COORDS, dtype=dtype, scale=1.0) if x else None,
        "edges": tessera.sort_edges(graph(), NODES),
        "edge_attr": draw(EDGES, E_ATTR, dtype=dtype) if attr else None,
        "edge_weight": draw(EDGES, dtype=dtype) if weight else None,
        "edge_w1": draw(D, columns, dtype=dtype), "edge_b1": draw(D, dtype=dtype, seed=1),
        "edge_w2": draw(D, D, dtype=dtype, seed=2), "edge_b2": draw(D, dtype=dtype, seed=3),
    }
    if attention:
        made |= {"att_w": draw(1, D, dtype=dtype), "att_b": draw(1, dtype=dtype)}
    if head:
        made |= {"coord_w1": draw(D, D, dtype=dtype, seed=4), "coord_b1": draw(D, dtype=dtype, seed=5),
                 "coord_w2": draw(1, D, dtype=dtype, seed=6)}
    return made


def call(options=None, **changes):
    """(function of the differentiable tensors, those tensors)"""
    made = arguments(**changes)
    names = [k for k, v in made.items() if isinstance(v, torch.Tensor)]

    def run(*tensors):
        return tessera.egcl(**(made | dict(zip(names, tensors))), **(options or {}))

    return run, [made[k] for k in names]


OPTIONS = [
    {},
    {"coord_norm": "plus_one", "coord_tanh": True},
    {"coord_mean": False, "coord_clamp": 0.05},
    {"coord_clamp": 0.05, "weigh_coords": True},
    {"activation": "leaky_relu"},
]
PARTS = [
    {},
    {"attention": False, "weight": False, "attr": False},
    {"head": False},
    {"head": False, "x": False, "attention": False},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_gradients_of_egcl_are_those_of_finite_differences(options):
    run, tensors = call(options)
    assert torch.autograd.gradcheck(run, tensors, fast_mode=False)


@pytest.mark.parametrize("parts", PARTS[1:])
def test_gradients_are_right_where_parts_are_absent(parts):
    run, tensors = call(**parts)
    assert torch.autograd.gradcheck(run, tensors)


def test_second_derivatives_of_egcl_are_those_of_finite_differences():
    run, tensors = call({"coord_norm": "plus_one"})
    assert torch.autograd.gradgradcheck(run, tensors, fast_mode=True)


def test_unit_norm_is_a_constant_to_the_gradient():
    # Finite differences would see it move: compare with the rule written out.
    run, tensors = call({"coord_norm": "unit"}, attention=False, weight=False, attr=False)
    made = dict(zip(["h", "x", "edge_w1", "edge_b1", "edge_w2", "edge_b2", "coord_w1", "coord_b1",
                     "coord_w2"], tensors))
    row, col = graph()
    F = torch.nn.functional
    diff = made["x"][row] - made["x"][col]
    r2 = diff.square().sum(1, keepdim=True)
    columns = torch.cat([made["h"][row], made["h"][col], r2], 1)
    m = F.silu(F.linear(columns, made["edge_w1"], made["edge_b1"]))
    m = F.silu(F.linear(m, made["edge_w2"], made["edge_b2"]))
    s = F.linear(F.silu(F.linear(m, made["coord_w1"], made["coord_b1"])), made["coord_w2"])
    step = diff / (r2.sqrt().detach() + 1e-8) * s
    count = torch.bincount(row, minlength=NODES).clamp(min=1).unsqueeze(1)
    expected = torch.zeros_like(made["x"]).index_add(0, row, step) / count
    agg, x_delta = run(*tensors)
    torch.testing.assert_close(x_delta, expected)
    ours = torch.autograd.grad(x_delta.square().sum() + agg.sum(), tensors, retain_graph=True)
    theirs = torch.autograd.grad(
        expected.square().sum() + torch.zeros(NODES, D, dtype=m.dtype).index_add(0, row, m).sum(),
        tensors)
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b)


def positional(made, options):
    order = ["edge_attr", "edge_weight", "edge_w1", "edge_b1", "edge_w2", "edge_b2", "att_w",
             "att_b", "coord_w1", "coord_b1", "coord_w2"]
    return ((made["h"], made["x"], *made["edges"], *(made.get(k) for k in order)), options)


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("dtype", [torch.float, torch.double])
def test_opcheck_passes_for_egcl(parts, dtype):
    args, kwargs = positional(arguments(dtype=dtype, **parts), {})
    opcheck(torch.ops.tessera.egcl.default, args, kwargs)


def test_opcheck_passes_for_the_forward_and_backward_of_egcl():
    args, kwargs = positional(arguments(), {"coord_clamp": 100.0})
    args = tuple(a.detach() if isinstance(a, torch.Tensor) else a for a in args)
    agg, x_delta, saved = torch.ops.tessera.egcl_forward(*args, **kwargs)
    opcheck(torch.ops.tessera.egcl_forward.default, args, kwargs)
    for needs in ([True] * 13, [False, True] + [False] * 11):
        backward = (torch.ones_like(agg), torch.ones_like(x_delta), saved, needs, *args)
        opcheck(torch.ops.tessera.egcl_backward.default, backward, kwargs)


@pytest.mark.parametrize("parts", PARTS)
def test_compiled_egcl_equals_the_eager_one(parts):
    run, tensors = call(**parts)
    compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
    eager_out, compiled_out = run(*tensors), compiled(*tensors)
    for a, b in zip(eager_out, compiled_out):
        assert torch.equal(a, b)
    loss = lambda out: sum((t * torch.arange(t.numel()).view_as(t)).sum() for t in out)
    eager = torch.autograd.grad(loss(eager_out), tensors)
    for a, b in zip(eager, torch.autograd.grad(loss(compiled_out), tensors)):
        assert torch.equal(a, b)


def test_inductor_compiles_a_layer_as_one_graph():
    run, tensors = call()
    head = lambda *t: torch.nn.functional.silu(run(*t)[0]).sum()
    torch.testing.assert_close(torch.compile(head, fullgraph=True)(*tensors), head(*tensors))


def test_meta_kernels_know_the_shapes():
    made = {k: v.to("meta") if isinstance(v, torch.Tensor) else v for k, v in arguments().items()}
    made["edges"] = tessera.EdgeList(*(e.to("meta") if isinstance(e, torch.Tensor) else e
                                       for e in made["edges"]))
    agg, x_delta = tessera.egcl(**made)
    assert agg.shape == (NODES, D) and x_delta.shape == (NODES, N_COORDS)
    assert agg.device.type == "meta"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.half])
def test_half_precisions_run_plain(dtype):
    run, tensors = call()
    low = [t.detach().to(dtype).requires_grad_() for t in tensors]
    agg, x_delta = run(*low)
    assert agg.dtype == dtype
    torch.testing.assert_close(agg.double(), run(*tensors)[0], rtol=0.1, atol=0.1)
    agg.float().sum().backward()
    assert all(t.grad is None or torch.isfinite(t.grad).all() for t in low)


def perceptron_tensors(widths=(3, 2), out=4, bias=True):
    tensors = [draw(7, k, seed=i) for i, k in enumerate(widths)]
    tensors += [draw(D, sum(widths)), draw(D, seed=7), draw(out, D, seed=8)]
    return tensors + ([draw(out, seed=9)] if bias else [])


@pytest.mark.parametrize("widths, out, residual, bias", [
    ((3,), 1, False, True), ((4, 2), 4, True, True), ((2, 3, 1), 5, False, False)])
def test_gradients_of_perceptron_are_those_of_finite_differences(widths, out, residual, bias):
    k = len(widths)
    run = lambda *t: tessera.perceptron(t[:k], *t[k:], residual=residual)
    tensors = perceptron_tensors(widths, out, bias)
    assert torch.autograd.gradcheck(run, tensors)
    assert torch.autograd.gradgradcheck(run, tensors, fast_mode=True)


def test_opcheck_and_compile_pass_for_perceptron():
    x, y, *weights = perceptron_tensors((4, 2), 4)
    opcheck(torch.ops.tessera.perceptron.default, (x, y, None, *weights, "relu", True))
    run = lambda *t: tessera.perceptron(t[:2], *t[2:])
    compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(x, y, *weights), run(x, y, *weights))


def test_sort_edges_groups_by_receiver_and_by_sender():
    index = torch.tensor([[2, 0, 2, 1], [0, 1, 1, 0]])
    edges = tessera.sort_edges(index, 4)
    assert edges.row.tolist() == [0, 1, 2, 2] and edges.order.tolist() == [1, 3, 0, 2]
    assert edges.row_ptr.tolist() == [0, 1, 2, 4, 4]
    assert edges.sender_ptr.tolist() == [0, 2, 4, 4, 4]
    assert edges.sender_order.tolist() == [1, 2, 0, 3]
    kept = tessera.sort_edges(index, 4, torch.tensor([True, True, False, True]))
    assert kept.order.tolist() == [1, 3, 0] and kept.num_given == 4


@pytest.mark.parametrize("change, rule", [
    ({"h": torch.zeros(NODES + 1, D_IN)}, "h must be"),
    ({"edge_attr": torch.zeros(EDGES - 1, E_ATTR)}, "edge_attr must have a row for each"),
    ({"edge_w2": torch.zeros(D, D + 1)}, "edge_w2 must be"),
    ({"edge_b2": torch.zeros(D, dtype=torch.float)}, "one dtype"),
    ({"x": None}, "edge_w1 must be"),
])
def test_wrong_arguments_are_refused_with_the_rule(change, rule):
    made = arguments()
    made |= {k: v.double() if isinstance(v, torch.Tensor) and k != "edge_b2" else v
             for k, v in change.items()}
    with pytest.raises(RuntimeError, match=rule):
        tessera.egcl(**made)


def test_an_index_outside_the_nodes_is_refused():
    with pytest.raises(RuntimeError, match=r"edge_index must lie in \[0, 3\), but got 3"):
        tessera.sort_edges(torch.tensor([[0, 3], [1, 0]]), 3)
