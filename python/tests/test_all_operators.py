"""What holds for every operator of tessera/ops/schema.cpp: it is known to torch.compile, and under
autocast it runs in float32."""

import copy

import pytest
import torch
from torch.library import opcheck
from torch.utils._pytree import tree_leaves, tree_map

from samples import OPS, operators, samples

NAMES = operators()


def autocast():
    return torch.autocast("cpu", dtype=torch.bfloat16)


def is_floating(value):
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def cast(arguments, dtype, every=1):
    """Every first, second, … of the floating tensors cast."""
    count = iter(range(10 ** 6))
    return tree_map(lambda a: a.to(dtype) if is_floating(a) and next(count) % every == 0 else a, arguments)


def assert_same(found, expected):
    for ours, theirs in zip(tree_leaves(found), tree_leaves(expected), strict=True):
        if isinstance(ours, torch.Tensor):
            assert ours.dtype == theirs.dtype and torch.equal(ours, theirs)


def test_every_operator_has_a_sample():
    registered = [name for name in torch._C._dispatch_get_all_op_names() if name.startswith("tessera::")]
    assert sorted(samples(torch.float)) == NAMES == sorted(n.removeprefix("tessera::") for n in registered)


@pytest.mark.parametrize("name", NAMES)
def test_opcheck_passes(name):
    args, kwargs = samples(torch.double)[name]
    opcheck(getattr(OPS, name).default, args, kwargs)


@pytest.mark.parametrize("name", NAMES)
def test_autocast_changes_nothing_in_float32(name):
    args, kwargs = samples(torch.float)[name]
    again = copy.deepcopy(args)
    expected = getattr(OPS, name)(*args, **kwargs)
    with autocast():
        found = getattr(OPS, name)(*again, **kwargs)
    assert_same(found, expected)
    assert_same(again, args)  # what it has written


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_autocast_runs_half_precision_in_float32(name, every):
    args, kwargs = samples(torch.float)[name]
    if getattr(OPS, name).default._schema.is_mutable:
        pytest.skip("writes to what it was given")
    low = cast(args, torch.bfloat16, every)
    expected = getattr(OPS, name)(*cast(low, torch.float), **kwargs)
    with autocast():
        found = getattr(OPS, name)(*low, **kwargs)
    assert_same(found, expected)


@pytest.mark.parametrize("name", [n for n in NAMES if f"{n}_backward" in NAMES])
def test_gradients_pass_through_autocast(name):
    args, kwargs = samples(torch.float)[name]

    def gradients(given, context):
        leaves = [a for a in tree_leaves(given) if is_floating(a)]
        for leaf in leaves:
            leaf.requires_grad_()
        with context:
            results = [r for r in tree_leaves(getattr(OPS, name)(*given, **kwargs)) if r.requires_grad]
        return torch.autograd.grad(sum((r * r).sum() for r in results), leaves, allow_unused=True)

    low = tree_map(lambda a: a.detach() if is_floating(a) else a, cast(args, torch.bfloat16, 2))
    expected = gradients(tree_map(lambda a: a.clone() if is_floating(a) else a, cast(low, torch.float)),
                         torch.enable_grad())
    for ours, theirs in zip(gradients(low, autocast()), expected, strict=True):
        assert theirs is not None and torch.equal(ours, theirs.to(ours.dtype))


def test_a_compiled_operator_keeps_the_rule():
    (x, y, z, *weights), _ = samples(torch.float)["perceptron"]
    run = lambda x, y: OPS.perceptron(x, y, z, *weights)
    with autocast():
        compiled = torch.compile(run, fullgraph=True, backend="aot_eager")(x.bfloat16(), y.bfloat16())
        assert compiled.dtype == torch.float
        assert torch.equal(compiled, run(x.bfloat16(), y.bfloat16()))
