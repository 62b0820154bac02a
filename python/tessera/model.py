"""Whole models of Tessera's systems as torch modules."""

import json
import os

import torch

__all__ = ["Model", "load_run"]


def _nest(module, path):
    """The submodule at a dotted path and the last word of the path; makes what is missing."""
    *parents, leaf = path.split(".")
    for name in parents:
        if name not in module._modules:
            module.add_module(name, torch.nn.Module())
        module = module._modules[name]
    return module, leaf


class Model(torch.nn.Module):
    """The model of a system, as `tessera info SYSTEM` describes it: named tensors in and out.

        model = tessera.Model("egnn", node_in_dim=2, dim=16)
        out = model(h=h, x=x, edge_index=edge_index)    # {"h": …, "x": …}

    Parameters and buffers are those that C++ computes with, under the names of checkpoints:
    optimizers, state_dict(), load_state_dict(), to() and train() act on both sides.
    """

    def __init__(self, system: str, **config):
        super().__init__()
        self._bind(torch.classes.tessera.Model(system, json.dumps(config)))

    def _bind(self, bound):
        self._bound = bound
        for name, tensor in bound.parameters().items():
            tensor._is_param = True  # a Parameter that shares its gradient with C++
            module, leaf = _nest(self, name)
            module.register_parameter(leaf, tensor)
        for name, tensor in bound.buffers().items():
            module, leaf = _nest(self, name)
            module.register_buffer(leaf, tensor)

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        for name, tensor in self._bound.buffers().items():
            module, leaf = _nest(self, name)
            tensor.data = module._buffers[leaf]  # torch replaces buffers: C++ keeps its own
            module._buffers[leaf] = tensor
        return self

    @property
    def system(self) -> str:
        return self._bound.system()

    @property
    def config(self) -> dict:
        """The configuration, every key with its value."""
        return json.loads(self._bound.config())

    def forward(self, inputs: dict | None = None, **named) -> dict:
        """run() of the C++ model on named tensors, given as a dict or by keyword."""
        return dict(self._bound.run({**(inputs or {}), **named}))

    def predict(self, inputs: dict | None = None, **named) -> dict:
        """As forward, with a row for every example also where training drops an incomplete group."""
        return dict(self._bound.predict({**(inputs or {}), **named}))

    def train(self, mode: bool = True):
        self._bound.train(mode)
        return super().train(mode)

    def constrain(self):
        """Brings parameters back to where they must lie; call it after each step of an optimizer."""
        self._bound.constrain()

    def load(self, path):
        """Weights of a safetensors file, under Tessera's names or the authors'; returns self."""
        self._bound.load(os.fspath(path))
        return self

    def save(self, path):
        """Weights as safetensors, which `tessera eval --weights` and `convert` read."""
        self._bound.save(os.fspath(path))

    def __reduce__(self):
        return _restore, (self.system, self.config, self.state_dict(), self.training)

    def extra_repr(self):
        return f"system={self.system!r}"


def _restore(system, config, state, training):
    model = Model(system, **config)
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        tensor.data = tensor.data.to(state[name])
    model.load_state_dict(state)
    return model.train(training)


def load_run(folder) -> Model:
    """The model of a run folder of `tessera train`, with its best weights, in evaluation mode."""
    model = Model.__new__(Model)
    torch.nn.Module.__init__(model)
    model._bind(torch.classes.tessera.Model.of_run(os.fspath(folder)))
    return model.eval()
