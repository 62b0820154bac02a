"""unicornn_recurrence as Python sees it: gradients, torch.compile, Meta kernel, rules."""

import pytest
import torch
from torch.library import opcheck

import tessera

T, B, H = 9, 2, 5
PARTS = [{}, {"start": False}, {"mask": False}, {"sequence": False}, {"start": False, "mask": False}]


def draw(*size, scale=0.5, dtype=torch.double, seed=0):
    generator = torch.Generator().manual_seed(seed + sum(size))
    value = torch.randn(*size, generator=generator, dtype=torch.double) * scale
    return value.to(dtype).requires_grad_()


def call(start=True, mask=True, sequence=True, dtype=torch.double):
    """(function of the differentiable tensors, those tensors)"""
    made = {"q": draw(T, B, H, scale=1.0, dtype=dtype), "w": draw(H, dtype=dtype),
            "c": draw(H, dtype=dtype, seed=1)}
    if start:
        made |= {"y0": draw(B, H, dtype=dtype), "z0": draw(B, H, dtype=dtype, seed=1)}
    if mask:
        made["mask"] = draw(B, H, dtype=dtype, seed=2)

    def run(*tensors):
        return tessera.unicornn_recurrence(**dict(zip(made, tensors)), dt=0.3, alpha=4.0,
                                           sequence=sequence)

    return run, list(made.values())


@pytest.mark.parametrize("parts", PARTS)
def test_gradients_are_those_of_finite_differences(parts):
    run, tensors = call(**parts)
    results = lambda *t: tuple(r for r in run(*t) if r.numel())
    if parts.get("sequence") is False:  # the mask reaches nothing then
        tensors[-1].requires_grad_(False)
    assert torch.autograd.gradcheck(results, tensors)


def test_second_derivatives_are_those_of_finite_differences():
    run, tensors = call()
    assert torch.autograd.gradgradcheck(run, tensors, fast_mode=True)


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("dtype", [torch.float, torch.double])
def test_opcheck_passes(parts, dtype):
    _, tensors = call(dtype=dtype, **parts)
    tensors = iter(tensors)
    q, w, c = (next(tensors) for _ in range(3))
    y0, z0 = (next(tensors), next(tensors)) if parts.get("start", True) else (None, None)
    mask = next(tensors) if parts.get("mask", True) else None
    opcheck(torch.ops.tessera.unicornn_recurrence.default,
            (q, w, c, y0, z0, mask, 0.3, 4.0, parts.get("sequence", True)))


@pytest.mark.parametrize("needs", [[True] * 6, [False, True] + [False] * 4])
def test_opcheck_passes_for_the_backward(needs):
    run, tensors = call()
    y, y_n, z_n = (r.detach() for r in run(*tensors))
    q, w, c, y0, z0, mask = (t.detach() for t in tensors)
    opcheck(torch.ops.tessera.unicornn_recurrence_backward.default,
            (torch.ones_like(y), None, torch.ones_like(z_n), y_n, z_n, needs, q, w, c, y0, z0, mask,
             0.3, 4.0, True))


@pytest.mark.parametrize("parts", PARTS)
def test_compiled_equals_the_eager_one(parts):
    run, tensors = call(**parts)
    compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
    eager_out, compiled_out = run(*tensors), compiled(*tensors)
    for a, b in zip(eager_out, compiled_out):
        assert torch.equal(a, b)
    loss = lambda out: sum((t * torch.arange(t.numel()).view_as(t)).sum() for t in out)
    eager = torch.autograd.grad(loss(eager_out), tensors, allow_unused=True)
    for a, b in zip(eager, torch.autograd.grad(loss(compiled_out), tensors, allow_unused=True)):
        assert (a is None and b is None) or torch.equal(a, b)


def test_inductor_compiles_a_layer_as_one_graph():
    run, tensors = call()
    v = draw(H, H)
    head = lambda u, *t: torch.nn.functional.linear(run(u @ v, *t)[0], v).sum()
    torch.testing.assert_close(torch.compile(head, fullgraph=True)(*tensors), head(*tensors))


@pytest.mark.parametrize("sequence", [True, False])
def test_meta_kernel_knows_the_shapes(sequence):
    run, tensors = call(sequence=sequence)
    y, y_n, z_n = run(*(t.to("meta") for t in tensors))
    assert y.shape == (T if sequence else 0, B, H) and y_n.shape == z_n.shape == (B, H)
    assert y.device.type == "meta"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.half])
def test_half_precisions_run_plain_with_states_in_float(dtype):
    run, tensors = call(start=False)
    low = [t.detach().to(dtype).requires_grad_() for t in tensors]
    y, y_n, z_n = run(*low)
    assert y.dtype == dtype and y_n.dtype == z_n.dtype == torch.float
    torch.testing.assert_close(y_n.double(), run(*tensors)[1], rtol=0.05, atol=0.05)
    y.float().sum().backward()
    assert all(torch.isfinite(t.grad).all() for t in low)


@pytest.mark.parametrize("place, value, rule", [
    (0, torch.zeros(T, H), r"q must be \(T, B, H\)"), (1, torch.zeros(H + 1), r"w must be \(5\)"),
    (5, torch.zeros(H), r"mask must be \(2, 5\)"), (2, torch.zeros(H, dtype=torch.float), "dtype of q")])
def test_wrong_arguments_are_refused_with_the_rule(place, value, rule):
    run, tensors = call()
    tensors[place] = value.double() if "dtype" not in rule else value
    with pytest.raises(RuntimeError, match=rule):
        run(*tensors)
