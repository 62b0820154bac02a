"""torch.ops.tessera.aggregated_conv2d: gradients, schema, Meta, torch.compile."""

import pytest
import torch
from torch.library import opcheck

pytestmark = pytest.mark.usefixtures("library")

# Samples, channels in and out, kernel, size, sources, options, alignment, bias, shared gates.
SHAPES = [
    (3, 4, 3, 3, 5, 2, dict(padding=1), True, True, False),
    (2, 3, 4, 1, 3, 3, dict(stride=2), False, False, False),
    (2, 4, 4, 3, 5, 2, dict(padding=2, dilation=2, groups=2), True, True, False),
    (3, 2, 3, 1, 1, 2, dict(), True, False, True),
]


def tensors(shape, dtype=torch.double):
    samples, inside, outside, kernel, size, sources, options, align, bias, shared = shape
    random = torch.Generator().manual_seed(0)

    def draw(*sizes):
        return torch.randn(*sizes, generator=random, dtype=torch.double).to(dtype).requires_grad_()

    made = [draw(samples, inside, size, size), draw(1 if shared else samples, sources),
            draw(sources, outside, inside // options.get("groups", 1), kernel, kernel)]
    made.append(draw(sources * outside, outside, 1, 1) if align else None)
    made.append(draw(sources, outside) if bias else None)
    return made, options


def by_hand(x, gates, weight, align, bias, stride=1, padding=0, dilation=1, groups=1):
    """One sample after another."""
    sources, out = weight.shape[:2]
    if align is not None:
        weight = torch.einsum("enm,emikl->enikl", align.view(sources, out, out), weight)
    rows = []
    for i in range(len(x)):
        a = gates[i if len(gates) > 1 else 0]
        rows.append(torch.conv2d(x[i:i + 1], torch.einsum("e,eoikl->oikl", a, weight),
                                 a @ bias if bias is not None else None, stride, padding, dilation, groups))
    return torch.cat(rows)


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_one_convolution_a_sample(shape):
    made, options = tensors(shape)
    torch.testing.assert_close(torch.ops.tessera.aggregated_conv2d(*made, **options), by_hand(*made, **options))


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_are_those_of_finite_differences(shape):
    made, options = tensors(shape)

    def run(*given):
        return torch.ops.tessera.aggregated_conv2d(*given, **options)

    assert torch.autograd.gradcheck(run, made)
    if shape[1] < 4:
        assert torch.autograd.gradgradcheck(run, made)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float, torch.double])
def test_opcheck_passes(shape, dtype):
    made, options = tensors(shape, dtype)
    opcheck(torch.ops.tessera.aggregated_conv2d.default, tuple(made), options)


@pytest.mark.parametrize("shape", SHAPES)
def test_opcheck_passes_for_the_forward_and_backward(shape):
    made, options = tensors(shape)
    made = [t if t is None else t.detach() for t in made]
    opcheck(torch.ops.tessera.aggregated_conv2d_forward.default, tuple(made), options)
    y, saved = torch.ops.tessera.aggregated_conv2d_forward(*made, **options)
    needs = [t is not None for t in made]
    opcheck(torch.ops.tessera.aggregated_conv2d_backward.default, (torch.ones_like(y), saved, needs, *made), options)


def test_compiled_equals_the_eager_one():
    made, options = tensors(SHAPES[0])

    def run(*given):
        return torch.ops.tessera.aggregated_conv2d(*given, **options).relu().sum()

    expected = torch.autograd.grad(run(*made), made)
    found = torch.autograd.grad(torch.compile(run, backend="aot_eager")(*made), made)
    for ours, theirs in zip(found, expected):
        torch.testing.assert_close(ours, theirs)
