#!/usr/bin/env python3
"""Times the public PyTorch LMU (hrshtv/pytorch-lmu at 95a0b93) on the workloads of `tessera bench lmu`.

    PEERS_DIR=CHECKOUTS python bench/peers/lmu.py --workload psmnist_parallel|sequence_parallel|psmnist_original
                                                  [--threads N] [--repeats R] [--compile]

psmnist_parallel and psmnist_original classify the last step, as the repository's notebooks do;
sequence_parallel has an output at every step.
"""
import argparse
import json
import os
import sys
import types

from peer_timing import median_ms, peak_rss_mb

WORKLOADS = ("psmnist_parallel", "sequence_parallel", "psmnist_original")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", choices=WORKLOADS, default=WORKLOADS[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compile", action="store_true")
    return parser.parse_args()


def provide_scipy(torch):
    """Their module wants cont2discrete alone; without scipy a matrix exponential serves."""
    try:
        import scipy.signal  # noqa: F401
        return
    except ImportError:
        pass

    def cont2discrete(system, dt, method):
        assert method == "zoh"
        a, b = (torch.as_tensor(part, dtype=torch.float64) for part in system[:2])
        joint = torch.zeros(len(a) + b.shape[1], len(a) + b.shape[1], dtype=torch.float64)
        joint[:len(a), :len(a)], joint[:len(a), len(a):] = a * dt, b * dt
        step = torch.linalg.matrix_exp(joint).numpy()
        return step[:len(a), :len(a)], step[:len(a), len(a):], system[2], system[3], dt

    scipy, signal = types.ModuleType("scipy"), types.ModuleType("scipy.signal")
    signal.cont2discrete, scipy.signal = cont2discrete, signal
    sys.modules.update({"scipy": scipy, "scipy.signal": signal})


def build(torch, lmu, name):
    """The model, its input, and the loss of its output."""
    nn = torch.nn

    class Network(nn.Module):
        def __init__(self, layer, width, outputs, dropout, read):
            super().__init__()
            self.layer, self.read = layer, read
            self.dropout, self.head = nn.Dropout(dropout), nn.Linear(width, outputs)

        def forward(self, x):
            return self.head(self.dropout(self.read(self.layer(x))))

    if name == "sequence_parallel":
        layer = lmu.LMUFFT(64, 256, 256, 1024, 1024)
        target = torch.randn(8, 1024, 64)
        network = Network(layer, 256, 64, 0.0, lambda out: out[0])
        return network, torch.randn(8, 1024, 64), lambda out: nn.functional.mse_loss(out, target)
    labels = torch.randint(0, 10, (32,))
    if name == "psmnist_parallel":
        network = Network(lmu.LMUFFT(1, 346, 468, 784, 784), 346, 10, 0.5, lambda out: out[1])
    else:
        network = Network(lmu.LMU(1, 212, 256, 784), 212, 10, 0.0, lambda out: out[1][0])
    return network, torch.rand(32, 784, 1), lambda out: nn.functional.cross_entropy(out, labels)


def main():
    args = arguments()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    provide_scipy(torch)
    sys.path.insert(0, os.path.join(os.environ.get("PEERS_DIR", "peers"), "pytorch-lmu", "src"))
    import lmu

    network, x, loss_of = build(torch, lmu, args.workload)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    call = torch.compile(network) if args.compile else network

    def forward():
        network.eval()
        with torch.no_grad():
            call(x)

    def train_step():
        network.train()
        optimizer.zero_grad(set_to_none=True)
        loss_of(call(x)).backward()
        optimizer.step()

    forward_ms, train_step_ms = median_ms(forward, args.repeats), median_ms(train_step, args.repeats)
    print(json.dumps({
        "system": "lmu", "workload": args.workload,
        "impl": "authors-compile" if args.compile else "authors-eager", "threads": args.threads,
        "forward_ms": forward_ms, "train_step_ms": train_step_ms,
        "peak_rss_mb": peak_rss_mb(),
        "torch": torch.__version__}))


if __name__ == "__main__":
    main()
