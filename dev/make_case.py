"""Golden cases from the authors' modules: what docs/cases.md describes, written by running them.

    from make_case import write_forward

    model = AuthorsNetwork(3, 16).double()
    write_forward("tests/cases/mine/basic.safetensors", system="mine", config={"in_dim": 3, "hidden_dim": 16},
                  module=model, call=lambda x: {"y": model(x)}, inputs={"x": torch.randn(7, 3).double()},
                  source="owner/repository@commit:model.py")

Needs torch, numpy and safetensors, and whatever the authors' code imports.
"""
import json
from pathlib import Path

import torch
from safetensors.torch import save_file


def write_forward(path, *, system, config, module, call, inputs, source, note="", rtol=1e-9, atol=1e-11, seed=0):
    """Runs call(**inputs) → {name: tensor} in the module's mode and records outputs, and the gradients of
    Σ output · cotangent by every parameter and floating input that it reaches.

    config: keys of the system's configuration. Cotangents are drawn from `seed`. Tolerances are for double;
    float32 needs looser ones.
    """
    tensors = {f"weight/{name}": value for name, value in module.named_parameters()}
    tensors |= {f"buffer/{name}": value.clone() for name, value in module.named_buffers()}
    leaves = {name: value.clone().requires_grad_() if value.is_floating_point() else value for name, value in inputs.items()}
    outputs = call(**leaves)
    generator = torch.Generator().manual_seed(seed)
    cotangents = {name: torch.randn(y.shape, generator=generator, dtype=y.dtype) for name, y in outputs.items()
                  if y.is_floating_point() and y.requires_grad}
    module.zero_grad()
    sum((outputs[name] * cotangent).sum() for name, cotangent in cotangents.items()).backward()
    for prefix, values in (("input", inputs), ("output", outputs), ("cotangent", cotangents)):
        tensors |= {f"{prefix}/{name}": value for name, value in values.items()}
    for prefix, values in (("grad", module.named_parameters()), ("grad_input", leaves.items())):
        tensors |= {f"{prefix}/{name}": value.grad for name, value in values if value.grad is not None}
    for name, value in module.named_buffers() if module.training else ():
        tensors[f"buffer/{name}_after"] = value
    dtype = next((str(value.dtype) for value in outputs.values()), "torch.float64").removeprefix("torch.")
    metadata = {"system": system, "kind": "forward", "config": json.dumps(config), "training": str(module.training).lower(),
                "dtype": dtype, "rtol": repr(rtol), "atol": repr(atol), "source": source, "note": note}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.detach().contiguous().clone() for name, value in tensors.items()}, path, metadata)
