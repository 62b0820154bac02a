"""grid_weights as Python sees it: gradients, torch.compile, Meta kernels, rules."""

import pytest
import torch
from torch.library import opcheck

import tessera  # noqa: F401  (registers the operators)

OPS = torch.ops.tessera
GRID = ([4, 5], [0.0, -1.0], [1.0, 1.0], [1, 0])


def coordinates(dtype=torch.double):
    generator = torch.Generator().manual_seed(3)
    return (torch.rand(6, 2, generator=generator, dtype=torch.double) * 1.5 - 0.4).to(dtype).requires_grad_()


def network(g, weight):
    index, node = OPS.grid_weights(g, *GRID)
    return OPS.grid_linear(g.tanh(), weight, None, index, node).square().sum()


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
@pytest.mark.parametrize("boundary", ["clamp", "extrapolate"])
def test_gradients_are_those_of_finite_differences(interpolation, boundary):
    run = lambda g: OPS.grid_weights(g, *GRID, interpolation, boundary)[1]
    assert torch.autograd.gradcheck(run, [coordinates()])
    assert torch.autograd.gradgradcheck(run, [coordinates()])


@pytest.mark.parametrize("dtype", [torch.float, torch.double])
def test_opcheck_passes_for_coordinates_with_a_gradient(dtype):
    # The rest of opcheck adds outputs up and cannot begin with an integer; the next test does it.
    opcheck(OPS.grid_weights.default, (coordinates(dtype), *GRID),
            test_utils=("test_schema", "test_autograd_registration", "test_faketensor"))


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
@pytest.mark.parametrize("needs_gradient", [False, True])
def test_compiles_as_one_graph_with_its_gradient(backend, needs_gradient):
    weight = torch.randn(20, 3, 2, generator=torch.Generator().manual_seed(1), dtype=torch.double)
    weight.requires_grad_()
    g = coordinates().detach().requires_grad_(needs_gradient)
    leaves = [g, weight] if needs_gradient else [weight]
    compiled = torch.compile(network, fullgraph=True, dynamic=True, backend=backend)
    eager = torch.autograd.grad(network(g, weight), leaves)
    for ours, expected in zip(torch.autograd.grad(compiled(g, weight), leaves), eager):
        torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("needs_gradient", [False, True])
def test_a_compiled_graph_still_refuses_what_is_not_finite(needs_gradient):
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    weight = torch.ones(20, 3, 2, dtype=torch.double)
    g = coordinates().detach()
    g[2, 1] = float("nan")
    with pytest.raises(RuntimeError, match="finite"):
        compiled(g.requires_grad_(needs_gradient), weight)
