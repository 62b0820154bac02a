#!/usr/bin/env python3
"""Times what a CPU user would run instead of UnICORNN's authors' code, which needs a GPU.

    python bench/peers/unicornn.py --workload psmnist|noisy_cifar|eigenworms
                                   [--model jit|eager|lstm] [--compile] [--threads N] [--repeats R]

    jit    the network in PyTorch, its recurrence compiled by torch.jit.script
    eager  the same in eager mode; --compile compiles a step
    lstm   torch.nn.LSTM of the same width and depth

Needs no checkout. Prints one JSON line.
"""
import argparse
import json
import os
from typing import List

from peer_timing import median_ms, peak_rss_mb

WORKLOADS = {
    "psmnist": dict(T=784, B=32, D=1, H=256, L=3, C=10, dt=0.19, alpha=30.65, drop=0.1),
    "noisy_cifar": dict(T=1000, B=30, D=96, H=128, L=3, C=10, dt=0.126, alpha=13.0, drop=0.1),
    "eigenworms": dict(T=17984, B=8, D=6, H=32, L=2, C=5, dt=[2.81e-5, 0.0343], alpha=0.0, drop=0.0),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", default="psmnist", choices=list(WORKLOADS))
    parser.add_argument("--model", default="jit", choices=["jit", "eager", "lstm"])
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(args.threads))
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    c = WORKLOADS[args.workload]
    T, B, D, H, L, C = (c[k] for k in "TBDHLC")

    def recurrence(x: torch.Tensor, w: torch.Tensor, s: torch.Tensor, alpha: float) -> torch.Tensor:
        y = torch.zeros_like(x[0])
        z = torch.zeros_like(x[0])
        out: List[torch.Tensor] = []
        for u in x.unbind(0):
            z = z - s * (torch.tanh(w * y + u) + alpha * y)
            y = y + s * z
            out.append(y)
        return torch.stack(out)

    def one_step(y, z, u, w, s, alpha):
        z = z - s * (torch.tanh(w * y + u) + alpha * y)
        return y + s * z, z

    compiled_step = torch.compile(one_step) if args.compile else None

    def compiled_recurrence(x, w, s, alpha):
        y, z, out = torch.zeros_like(x[0]), torch.zeros_like(x[0]), []
        for u in x.unbind(0):
            y, z = compiled_step(y, z, u, w, s, alpha)
            out.append(y)
        return torch.stack(out)

    if args.compile:
        run = compiled_recurrence
    else:
        run = torch.jit.script(recurrence) if args.model == "jit" else recurrence

    class UnICORNN(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.maps = torch.nn.ModuleList(torch.nn.Linear(D if l == 0 else H, H) for l in range(L))
            self.w = torch.nn.ParameterList(torch.rand(H) for _ in range(L))
            self.c = torch.nn.ParameterList(torch.rand(H) * 0.2 - 0.1 for _ in range(L))
            self.out = torch.nn.Linear(H, C)
            for linear in self.maps:
                torch.nn.init.kaiming_uniform_(linear.weight, a=8)
                torch.nn.init.zeros_(linear.bias)

        def forward(self, x):
            for l in range(L):
                dt = c["dt"][l] if isinstance(c["dt"], list) else c["dt"]
                x = run(self.maps[l](x), self.w[l], dt * torch.sigmoid(self.c[l]), c["alpha"])
                if self.training and c["drop"] > 0:
                    x = x * torch.empty(x.shape[1:]).bernoulli_(1 - c["drop"]).div_(1 - c["drop"])
            return self.out(x[-1])

    class LSTM(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = torch.nn.LSTM(D, H, L)
            self.out = torch.nn.Linear(H, C)

        def forward(self, x):
            return self.out(self.lstm(x)[0][-1])

    model = LSTM() if args.model == "lstm" else UnICORNN()
    x, y = torch.randn(T, B, D), torch.randint(0, C, (B,))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def forward():
        model.eval()
        with torch.no_grad():
            model(x)

    def train_step():
        model.train()
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    forward_ms, train_step_ms = median_ms(forward, args.repeats, warm_up=2), median_ms(train_step, args.repeats, warm_up=2)
    print(json.dumps({
        "system": "unicornn", "workload": args.workload,
        "impl": "torch-" + args.model + ("-compile" if args.compile else ""),
        "threads": args.threads, "forward_ms": forward_ms, "train_step_ms": train_step_ms,
        "peak_rss_mb": peak_rss_mb(),
        "torch": torch.__version__}))


if __name__ == "__main__":
    main()
