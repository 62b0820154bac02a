"""if_neuron, mmse_threshold_search and sparse_conv2d as Python sees them."""

import pytest
import torch
from torch.library import opcheck

import tessera  # noqa: F401  (loads the operators)

OPS = torch.ops.tessera


def normal(*size, dtype=torch.double):
    generator = torch.Generator().manual_seed(sum(size))
    return torch.randn(*size, generator=generator, dtype=torch.double).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float, torch.double])
@pytest.mark.parametrize("constant, total, membranes",
                         [(False, False, True), (True, False, False), (False, True, False)])
def test_opcheck_passes_for_neurons(dtype, constant, total, membranes):
    z = normal(2 if constant else 8, 3, 5, 4, dtype=dtype)
    opcheck(OPS.if_neuron.default, (z, torch.tensor(0.7, dtype=dtype), None),
            {"steps": 4, "shift_steps": 4, "constant": constant, "sum": total,
             "membranes": membranes})


def test_opcheck_passes_for_neurons_with_residuals_and_marks():
    z, threshold = normal(8, 3, 5, 4), torch.tensor(0.7, dtype=torch.double)
    opcheck(OPS.if_neuron.default, (z, threshold, None),
            {"steps": 4, "residual": normal(8, 3, 5, 4) > 0, "residual_scale": threshold, "marks": True})


def test_neurons_equal_the_steps_one_by_one():
    z, v = normal(6, 2, 10), torch.zeros(2, 10, dtype=torch.double)
    threshold = torch.tensor(0.8, dtype=torch.double)
    spikes, _ = OPS.if_neuron(z.flatten(0, 1), threshold, None, 6, 6)
    for t in range(6):
        v = v + (z[t] + threshold * 0.5 / 6)
        s = (v >= threshold).double() * threshold
        v = v - s
        assert torch.equal(spikes.unflatten(0, (6, 2))[t], s)


@pytest.mark.parametrize("channel_wise", [False, True])
def test_opcheck_passes_for_the_search(channel_wise):
    opcheck(OPS.mmse_threshold_search.default, (normal(2, 3, 4, 5).relu(), 8, channel_wise))


@pytest.mark.parametrize("dtype", [torch.float, torch.double])
def test_opcheck_passes_for_the_sparse_convolution(dtype):
    x = normal(2, 3, 6, 6, dtype=dtype).relu()
    packed, bias = normal(1, 3, 3, 3, 16, dtype=dtype), normal(16, dtype=dtype)
    opcheck(OPS.sparse_conv2d.default, (x, packed, bias, 2, 1))
    opcheck(OPS.sparse_conv2d.default, (x > 0, packed, bias, 2, 1))
