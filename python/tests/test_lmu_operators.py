"""The operators of the Legendre memory as Python sees them: gradients, Meta kernels, torch.compile."""

import pytest
import torch
from torch.library import opcheck

import tessera


def draw(*size, scale=0.5, dtype=torch.double, seed=0):
    generator = torch.Generator().manual_seed(seed + sum(size))
    value = torch.randn(*size, generator=generator, dtype=torch.double) * scale
    return value.to(dtype).requires_grad_()


def convolution(dtype=torch.double):
    return tessera.causal_convolution, [draw(3, 9, dtype=dtype), draw(6, 4, dtype=dtype)]


def final_state(dtype=torch.double):
    return tessera.lmu_final_state, [draw(3, 9, 2, dtype=dtype), draw(7, 4, dtype=dtype)]


def chunked(dtype=torch.double):
    run = lambda u, m0, impulse, A_t: tessera.lmu_chunked(u, impulse, A_t, m0, chunk=4)
    return run, [draw(3, 9, dtype=dtype), draw(3, 4, dtype=dtype), draw(9, 4, dtype=dtype),
                 draw(4, 4, scale=0.3, dtype=dtype)]


def cell(dtype=torch.double):
    T, B, H, N = 5, 2, 4, 3
    sizes = {"e_h": (1, H), "e_m": (1, N), "W_h": (H, H), "W_m": (H, N), "A": (N, N), "B": (N, 1)}
    run = lambda u, h, h0, m0, *rest: tessera.lmu_cell(u, h, h0, m0, **dict(zip(sizes, rest)))
    first = [draw(T, B, dtype=dtype), draw(T, B, H, dtype=dtype), draw(B, H, dtype=dtype),
             draw(B, N, dtype=dtype)]
    return run, first + [draw(*size, scale=0.3, seed=i, dtype=dtype)
                         for i, size in enumerate(sizes.values())]


CASES = [convolution, final_state, chunked, cell]
OPERATORS = {
    convolution: lambda t: (torch.ops.tessera.causal_convolution.default, tuple(t)),
    final_state: lambda t: (torch.ops.tessera.lmu_final_state.default, tuple(t)),
    chunked: lambda t: (torch.ops.tessera.lmu_chunked.default, (*t, 4)),
    cell: lambda t: (torch.ops.tessera.lmu_cell.default, tuple(t)),
}


def as_tuple(result):
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_finite_differences(case):
    run, tensors = case()
    assert torch.autograd.gradcheck(run, tensors)


@pytest.mark.parametrize("case", [convolution, final_state, chunked])
def test_second_derivatives_are_those_of_finite_differences(case):
    run, tensors = case()
    assert torch.autograd.gradgradcheck(run, tensors)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [torch.float, torch.double])
def test_opcheck_passes(case, dtype):
    _, tensors = case(dtype)
    operator, arguments = OPERATORS[case](tensors)
    opcheck(operator, arguments)


@pytest.mark.parametrize("case", CASES)
def test_compiled_equals_the_eager_one(case):
    run, tensors = case()
    compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
    loss = lambda out: sum((t * torch.arange(t.numel()).view_as(t)).sum() for t in as_tuple(out))
    eager_out, compiled_out = run(*tensors), compiled(*tensors)
    for a, b in zip(as_tuple(eager_out), as_tuple(compiled_out)):
        assert torch.equal(a, b)
    for a, b in zip(torch.autograd.grad(loss(eager_out), tensors),
                    torch.autograd.grad(loss(compiled_out), tensors)):
        assert torch.equal(a, b)
