"""The fast layers of Tessera's systems as torch modules. Parameters have the names and shapes of the
C++ layers, so that a checkpoint's entries below a layer's prefix load into it."""

import math

import torch
from torch import nn

import tessera

__all__ = [
    "AggregatedConv2d", "EGCL", "GridLinear", "IFNeuron", "LegendreMemory", "LMUCell", "MaskedGraphConv",
    "Perceptron", "UnICORNNLayer", "delay_system",
]


class Perceptron(nn.Module):
    """Two linear maps and an activation over inputs side by side, fused: (N, k), … → (N, out)."""

    def __init__(self, in_dim, dim, out_dim, *, activation="silu", residual=False, out_bias=True):
        super().__init__()
        self.activation, self.residual = activation, residual
        self.add_module("0", nn.Linear(in_dim, dim))
        self.add_module("2", nn.Linear(dim, out_dim, bias=out_bias))

    def weights(self):
        first, second = self._modules["0"], self._modules["2"]
        return first.weight, first.bias, second.weight, second.bias

    def forward(self, *inputs):
        return tessera.perceptron(inputs, *self.weights(), activation=self.activation,
                                  residual=self.residual)


class EGCL(nn.Module):
    """An E(n)-equivariant layer (EGNN, eqs. 3-6): h (N, in_dim) and x (N, n) on a sorted edge list,
    to h (N, out_dim) and x. options: coord_norm, coord_tanh, coord_mean, coord_clamp."""

    def __init__(self, in_dim, dim, out_dim=None, *, edge_dim=0, attention=False, update_coords=True,
                 residual=True, activation="silu", **options):
        super().__init__()
        out_dim = in_dim if out_dim is None else out_dim
        self.options = {"activation": activation, **options}
        self.edge_mlp = Perceptron(2 * in_dim + 1 + edge_dim, dim, dim, activation=activation)
        self.node_mlp = Perceptron(in_dim + dim, dim, out_dim, activation=activation, residual=residual)
        self.coord_mlp = None
        if update_coords:
            self.coord_mlp = Perceptron(dim, dim, 1, activation=activation, out_bias=False)
            nn.init.xavier_uniform_(self.coord_mlp.weights()[2], gain=0.001)
        self.att_mlp = nn.Sequential(nn.Linear(dim, 1)) if attention else None

    def forward(self, h, x, edges, edge_attr=None, edge_weight=None):
        weights = dict(zip(("edge_w1", "edge_b1", "edge_w2", "edge_b2"), self.edge_mlp.weights()))
        if self.att_mlp is not None:
            weights |= {"att_w": self.att_mlp[0].weight, "att_b": self.att_mlp[0].bias}
        if self.coord_mlp is not None:
            weights |= dict(zip(("coord_w1", "coord_b1", "coord_w2"), self.coord_mlp.weights()))
        agg, moved = tessera.egcl(h, x, edges, edge_attr, edge_weight, **weights, **self.options)
        return self.node_mlp(h, agg), x if self.coord_mlp is None else x + moved


def delay_system(order, theta, dtype=torch.double):
    """The Legendre delay system by zero-order hold: A (N, N) and B (N, 1) of a step."""
    i = torch.arange(order, dtype=torch.double)
    sign = torch.where(i[:, None] < i, -1.0, (-1.0) ** (i[:, None] - i + 1))
    both = torch.zeros(order + 1, order + 1, dtype=torch.double)
    both[:order, :order] = (2 * i[:, None] + 1) * sign
    both[:order, order] = (2 * i + 1) * (-1.0) ** i
    step = torch.linalg.matrix_exp(both / theta)
    return step[:order, :order].to(dtype), step[:order, order:].to(dtype)


class LegendreMemory(nn.Module):
    """The Legendre memory of signals u (B, T, M) (Parallel LMU, 2021): (B, T, M, order) at every
    step, or (B, M, order) after the last. It has no parameters."""

    def __init__(self, order, theta, max_len, *, every_step=True):
        super().__init__()
        A, B = delay_system(order, theta)
        rows = [B[:, 0]]
        for _ in range(max_len - 1):
            rows.append(A @ rows[-1])
        self.every_step = every_step
        self.register_buffer("impulse", torch.stack(rows).to(torch.get_default_dtype()), persistent=False)

    def forward(self, u):
        batch, steps, width = u.shape
        if steps > self.impulse.shape[0]:
            raise ValueError(f"[tessera] u must have at most max_len = {self.impulse.shape[0]} steps, "
                             f"but got {steps}. Make the memory longer.")
        if not self.every_step:
            return tessera.lmu_final_state(u, self.impulse)
        rows = tessera.causal_convolution(u.transpose(1, 2).reshape(batch * width, steps), self.impulse)
        return rows.view(batch, width, steps, -1).transpose(1, 2)


class LMUCell(nn.Module):
    """The Legendre memory unit of 2019 over a whole sequence x (B, T, D): h (B, T, hidden) of every
    step and the state (h, m) after the last, fused."""

    def __init__(self, input_dim, hidden_dim, order, theta):
        super().__init__()
        cell = self.cell = nn.Module()
        for name, width in (("e_x", input_dim), ("e_h", hidden_dim), ("e_m", order)):
            bound = 0 if name == "e_m" else math.sqrt(3 / width)
            cell.register_parameter(name, nn.Parameter(torch.empty(1, width).uniform_(-bound, bound)))
        for name, width in (("W_x", input_dim), ("W_h", hidden_dim), ("W_m", order)):
            drawn = torch.randn(hidden_dim, width) * math.sqrt(2 / (hidden_dim + width))
            cell.register_parameter(name, nn.Parameter(drawn))
        A, B = delay_system(order, theta, torch.get_default_dtype())
        cell.register_buffer("A", A)
        cell.register_buffer("B", B)

    def forward(self, x, state=None):
        c, steps = self.cell, x.transpose(0, 1)
        h0, m0 = state or (x.new_zeros(x.shape[0], c.W_h.shape[0]), x.new_zeros(x.shape[0], c.A.shape[0]))
        h, m = tessera.lmu_cell(
            nn.functional.linear(steps, c.e_x).squeeze(2), nn.functional.linear(steps, c.W_x), h0, m0,
            e_h=c.e_h, e_m=c.e_m, W_h=c.W_h, W_m=c.W_m, A=c.A, B=c.B)
        return h.transpose(0, 1), (h[-1], m)


class UnICORNNLayer(nn.Module):
    """A layer of UnICORNN: x (T, B, D) drives hidden_dim oscillators; y (T, B, hidden_dim) and the
    state (y, z) after the last step. Its backward rebuilds the states instead of keeping them."""

    def __init__(self, input_dim, hidden_dim, *, dt, alpha):
        super().__init__()
        self.dt, self.alpha = dt, alpha
        self.fc = nn.Linear(input_dim, hidden_dim)
        nn.init.kaiming_uniform_(self.fc.weight, a=8)
        nn.init.zeros_(self.fc.bias)
        self.c_ = nn.Parameter(torch.empty(hidden_dim).uniform_(-0.1, 0.1))
        self.weight_hh = nn.Parameter(torch.rand(hidden_dim))

    def forward(self, x, state=(None, None), mask=None):
        y, y_n, z_n = tessera.unicornn_recurrence(self.fc(x), self.weight_hh, self.c_, *state, dt=self.dt,
                                                  alpha=self.alpha, mask=mask)
        return y, (y_n, z_n)


class GridLinear(nn.Module):
    """A linear map whose parameters lie on a grid and are blended at coordinates g (GFNN): x (B, in)
    and g (B, axes) to (B, out). One entry an axis in sizes, low, high and periodic."""

    def __init__(self, in_dim, out_dim, sizes, *, low=None, high=None, periodic=None, bias=True,
                 interpolation="cubic", boundary="clamp"):
        super().__init__()
        self.grid = (list(sizes), low or [0.0] * len(sizes), high or [1.0] * len(sizes), periodic)
        self.rules = {"interpolation": interpolation, "boundary": boundary}
        bound = math.sqrt(6 / (in_dim + out_dim))
        self.weight = nn.Parameter(torch.empty(*sizes, out_dim, in_dim).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(*sizes, out_dim)) if bias else None

    def forward(self, x, g):
        index, weight = tessera.grid_weights(g, *self.grid, **self.rules)
        bias = None if self.bias is None else self.bias.flatten(0, -2)
        return tessera.grid_linear(x, self.weight.flatten(0, -3), bias, index, weight)


class AggregatedConv2d(nn.Module):
    """A convolution whose kernel is the sum of sources' kernels, aligned and weighted by gates
    (B, sources) or (1, sources) (Zoo-Tuning)."""

    def __init__(self, in_channels, out_channels, kernel_size, sources, *, stride=1, padding=0, dilation=1,
                 groups=1, bias=True, align=True):
        super().__init__()
        self.options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        shape = (sources, out_channels, in_channels // groups, kernel_size, kernel_size)
        bound = math.sqrt(6 / math.prod(shape[2:]))
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(sources, out_channels)) if bias else None
        aligned = torch.eye(out_channels).repeat(sources, 1)[..., None, None]
        self.align_conv = nn.Parameter(aligned) if align else None

    def forward(self, x, gates):
        return tessera.aggregated_conv2d(x, gates, self.weight, self.align_conv, self.bias, **self.options)


class MaskedGraphConv(nn.Module):
    """A graph convolution under a trained mask of the edges (UGS): h (N, in) to (N, out). The mask
    is given, since all layers of a network share it: (E,) in the order of the edge index."""

    def __init__(self, in_dim, out_dim):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_dim, in_dim))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, h, mask, edges):
        return tessera.masked_propagate(nn.functional.linear(h, self.weight), mask, edges)


class IFNeuron(nn.Module):
    """Integrate-and-fire neurons over `steps` steps of time: currents (T·N, …), time first, to
    spikes of the height of the threshold. Not differentiable."""

    def __init__(self, threshold, steps, *, shift_steps=0):
        super().__init__()
        self.steps, self.shift_steps = steps, shift_steps
        self.register_buffer("threshold", torch.as_tensor(threshold))

    def forward(self, current):
        return tessera.if_neuron(current, self.threshold.to(current), steps=self.steps,
                                 shift_steps=self.shift_steps)[0]
