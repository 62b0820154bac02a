"""masked_propagate, sparse_linear, edge_softmax and sparsity_adam_ as Python sees them: gradients,
torch.compile, Meta kernels, rules."""

import pytest
import torch
from torch.library import opcheck

import tessera

N, E, H, F = 6, 14, 5, 9


def draw(*size, dtype=torch.double, seed=0):
    generator = torch.Generator().manual_seed(seed + sum(size))
    return torch.randn(*size, generator=generator, dtype=torch.double).to(dtype)


def edges(drops=False):
    generator = torch.Generator().manual_seed(3)
    keep = torch.rand(E, generator=generator) > 0.3 if drops else None
    return tessera.sort_edges(torch.randint(0, N, (2, E), generator=generator), N, keep)


def matrix(dtype=torch.double):
    dense = draw(N, F, dtype=dtype)
    return tessera.compress(dense * (dense > 0.3))


def call(name, dtype=torch.double, drops=False):
    """(function of the differentiable tensors, those tensors, arguments of the operator)"""
    if name == "sparse_linear":
        x = matrix(dtype)
        leaves = [x.value.clone(), draw(H, F, dtype=dtype)]
        run = lambda value, weight: tessera.sparse_linear(x._replace(value=value), weight)
        arguments = (*leaves, *x[1:])
    elif name == "masked_propagate":
        e = edges(drops)
        leaves = [draw(N, H, dtype=dtype), draw(E, dtype=dtype).abs()]
        run = lambda h, mask: tessera.masked_propagate(h, mask, e)
        arguments = (*leaves, *e)
    else:
        e = edges(drops)
        leaves = [draw(E, 3, dtype=dtype)]
        run = lambda logits: tessera.edge_softmax(logits, e)
        arguments = (*leaves, e.num_given, e.row_ptr, e.row, e.order)
    for leaf in leaves:
        leaf.requires_grad_()
    return run, leaves, arguments


OPERATORS = ["masked_propagate", "sparse_linear", "edge_softmax"]


@pytest.mark.parametrize("drops", [False, True])
@pytest.mark.parametrize("name", OPERATORS)
def test_gradients_are_those_of_finite_differences(name, drops):
    run, leaves, _ = call(name, drops=drops)
    assert torch.autograd.gradcheck(run, leaves)


@pytest.mark.parametrize("name", OPERATORS)
def test_second_derivatives_are_those_of_finite_differences(name):
    run, leaves, _ = call(name)
    assert torch.autograd.gradgradcheck(run, leaves)


@pytest.mark.parametrize("dtype", [torch.float, torch.double])
@pytest.mark.parametrize("name", OPERATORS)
def test_opcheck_passes(name, dtype):
    opcheck(getattr(torch.ops.tessera, name).default, call(name, dtype)[2])


@pytest.mark.parametrize("needs", [[True, True], [False, True], [True, False]])
def test_opcheck_passes_for_the_backwards(needs):
    with torch.no_grad():
        run, leaves, arguments = call("masked_propagate")
        arguments = [a.detach() if isinstance(a, torch.Tensor) else a for a in arguments]
        out, scale = torch.ops.tessera.masked_propagate_forward(*arguments)
        opcheck(torch.ops.tessera.masked_propagate_forward.default, tuple(arguments))
        opcheck(torch.ops.tessera.masked_propagate_backward.default, (draw(N, H), scale, needs, *arguments))
        run, leaves, arguments = call("sparse_linear")
        opcheck(torch.ops.tessera.sparse_linear_backward.default,
                (draw(N, H), needs, *(a.detach() for a in arguments)))
        run, leaves, arguments = call("edge_softmax")
        alpha = run(*leaves).detach()
        opcheck(torch.ops.tessera.edge_softmax_backward.default, (draw(E, 3), alpha, *arguments[1:]))


def test_opcheck_passes_for_the_transposition():
    x = matrix()
    opcheck(torch.ops.tessera.transpose_rows.default, (x.row_ptr, x.col, F))


@pytest.mark.parametrize("name", OPERATORS)
def test_compiled_equals_the_eager_one(name):
    run, leaves, _ = call(name)
    compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
    eager_out, compiled_out = run(*leaves), compiled(*leaves)
    assert torch.equal(eager_out, compiled_out)
    loss = lambda out: (out * torch.arange(out.numel()).view_as(out)).sum()
    for a, b in zip(torch.autograd.grad(loss(eager_out), leaves),
                    torch.autograd.grad(loss(compiled_out), leaves)):
        assert torch.equal(a, b)


def test_inductor_compiles_a_network_as_one_graph():
    x, e = matrix(), edges()
    weights = [draw(H, F).requires_grad_(), draw(2, H).requires_grad_()]
    mask = draw(E).abs().requires_grad_()

    def network(w0, w1, mask):
        h = tessera.masked_propagate(tessera.sparse_linear(x, w0), mask, e).relu()
        return tessera.masked_propagate(h @ w1.t(), mask, e).square().sum()

    compiled = torch.compile(network, fullgraph=True)
    torch.testing.assert_close(compiled(*weights, mask), network(*weights, mask))


@pytest.mark.parametrize("name", OPERATORS)
def test_half_precisions_run_plain(name):
    run, leaves, _ = call(name, torch.bfloat16)
    out = run(*leaves)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.double(), run(*(t.double() for t in leaves)), rtol=0.05, atol=0.1)
    out.float().sum().backward()
    assert all(torch.isfinite(leaf.grad).all() for leaf in leaves)


@pytest.mark.parametrize("dtype", [torch.float, torch.double])
def test_fused_adam_passes_opcheck_and_equals_torch(dtype):
    made = lambda seed: [draw(4, 6, dtype=dtype, seed=seed), draw(3, dtype=dtype, seed=seed)]
    weight, mask, d = made(1), made(2), made(3)
    zeros = lambda: [torch.zeros_like(t) for t in weight]
    none = [torch.empty(0, dtype=dtype)] * 2
    arguments = (weight, mask, none, d, zeros(), zeros(), zeros(), zeros(), zeros(), 1, 0.01, 0.9,
                 0.999, 1e-8, 0.1, [0.2, 0.3])
    opcheck(torch.ops.tessera.sparsity_adam_.default, arguments)

    theirs = [t.clone().requires_grad_() for t in weight + mask]
    adam = torch.optim.Adam(theirs, lr=0.01, weight_decay=0.1)
    for w, m, g, l1 in zip(theirs[:2], theirs[2:], d, [0.2, 0.3]):
        (w * m * g).sum().backward()
        m.grad += l1 * m.detach().sign()
    adam.step()
    torch.ops.tessera.sparsity_adam_(*arguments)
    for ours, other in zip(weight + mask, theirs):
        torch.testing.assert_close(ours, other.detach())
    for w, m, effective in zip(weight, mask, arguments[8]):
        torch.testing.assert_close(effective, w * m)


def test_wrong_arguments_are_refused_with_the_rule():
    e, x = edges(), matrix()
    with pytest.raises(RuntimeError, match="N = 6"):
        tessera.masked_propagate(draw(N + 1, H), draw(E).abs(), e)
    with pytest.raises(RuntimeError, match="at node"):
        tessera.masked_propagate(draw(N, H), torch.full((E,), -5.0, dtype=torch.double), e)
    with pytest.raises(RuntimeError, match="F = 9"):
        tessera.sparse_linear(x, draw(H, F + 1))
    with pytest.raises(RuntimeError, match="14 edges"):
        tessera.edge_softmax(draw(E + 1), e)
