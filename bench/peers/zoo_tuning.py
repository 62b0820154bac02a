#!/usr/bin/env python3
"""Times the authors' modules (thuml/Zoo-Tuning at c5975f6) on the workloads of `tessera bench zoo_tuning`.

    PEERS_DIR=CHECKOUTS python bench/peers/zoo_tuning.py --workload layer3x3|bottleneck|resnet50_56 [--lite]
                                                         [--threads N] [--repeats R] [--compile]

float32, random weights, five sources. Forward: evaluation mode, no gradients. Training step: forward, mean of
the squared outputs, backward, SGD with Nesterov momentum. $PEERS_DIR holds the checkout "Zoo-Tuning"; einops is
needed.
"""
import argparse
import json
import os
import sys
import types

from peer_timing import median_ms, peak_rss_mb


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", choices=("layer3x3", "bottleneck", "resnet50_56"), default="bottleneck")
    parser.add_argument("--lite", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compile", action="store_true")
    return parser.parse_args()


def build(name, is_lite):
    """The module, and the shape of its input."""
    try:
        import torchvision  # noqa: F401
    except ImportError:  # their backbone imports it and, for random weights, needs nothing of it
        sys.modules["torchvision"] = types.ModuleType("torchvision")
    from module.ada_agg import AdaAggLayer
    from module.backbone import Bottleneck, ResNet

    if name == "layer3x3":
        layer = AdaAggLayer(64, 64, 3, padding=1, bias=False, experts=5, align=True, lite=is_lite)
        return layer, (8, 64, 28, 28)
    if name == "bottleneck":
        return Bottleneck(256, 64, experts=5, align=True, lite=is_lite), (8, 256, 28, 28)
    return ResNet(Bottleneck, [3, 4, 6, 3], lite=is_lite), (2, 3, 56, 56)


def main():
    args = arguments()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    sys.path.insert(0, os.path.join(os.environ.get("PEERS_DIR", "peers"), "Zoo-Tuning"))
    model, shape = build(args.workload, args.lite)
    x = torch.randn(*shape)
    called = torch.compile(model) if args.compile else model
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9, nesterov=True, weight_decay=5e-4)
    averages = [module for module in model.modules() if hasattr(module, "lite_attention")]

    def train_step():
        # Their running averages of gates keep the graph of every step before: cut it, or time grows.
        for module in averages:
            module.lite_attention = module.lite_attention.detach()
        optimizer.zero_grad()
        called(x).pow(2).mean().backward()
        optimizer.step()

    def forward():
        with torch.no_grad():
            called(x)

    model.train()
    train_step_ms = median_ms(train_step, args.repeats)
    model.eval()
    forward_ms = median_ms(forward, args.repeats)
    print(json.dumps({
        "system": "zoo_tuning",
        "workload": args.workload + ("_lite" if args.lite else ""),
        "impl": "authors-compile" if args.compile else "authors-eager",
        "threads": args.threads,
        "forward_ms": round(forward_ms, 3),
        "train_step_ms": round(train_step_ms, 3),
        "peak_rss_mb": peak_rss_mb(),
        "torch": torch.__version__,
    }))


if __name__ == "__main__":
    main()
