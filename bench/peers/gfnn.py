#!/usr/bin/env python3
"""Times what a PyTorch user would write for grid-functioned networks, whose authors published no code.

    python bench/peers/gfnn.py --workload surface|animation|runtime
                               [--form best|blend|nodes] [--compile] [--threads N] [--repeats R]

    blend  the parameters of each sample are blended, then multiplied with it
    nodes  every node's layer sees all samples, scaled by the node's weight
    best   the faster of the two, for the forward and for the training step by itself

Needs no checkout. Prints one JSON line.
"""
import argparse
import json
import os

from peer_timing import median_ms, peak_rss_mb

WORKLOADS = {
    "surface": dict(batch=1024, widths=[2, 32, 32, 1], sizes=[6, 6], periodic=[False, False]),
    "animation": dict(batch=32, widths=[128, 256, 256, 128], sizes=[4, 5], periodic=[True, False]),
    "runtime": dict(batch=1, widths=[128, 256, 256, 128], sizes=[4, 5], periodic=[True, False]),
}


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", default="animation", choices=list(WORKLOADS))
    parser.add_argument("--form", default="best", choices=["best", "blend", "nodes"])
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=20)
    return parser.parse_args()


def node_weights(torch, g, sizes, periodic):
    """(batch, nodes): Catmull-Rom's weights of each axis, multiplied; the edge node stands in beyond an end."""
    product = torch.ones(len(g), 1)
    for place, size, is_periodic in zip(g.unbind(1), sizes, periodic):
        t = (place - place.floor()) * size if is_periodic else place.clamp(0, 1) * (size - 1)
        cell = t.floor().clamp(max=size - 1 if is_periodic else size - 2)
        f = t - cell
        four = torch.stack([-0.5 * f + f**2 - 0.5 * f**3, 1 - 2.5 * f**2 + 1.5 * f**3,
                            0.5 * f + 2 * f**2 - 1.5 * f**3, -0.5 * f**2 + 0.5 * f**3], 1)
        node = cell.long()[:, None] + torch.arange(-1, 3)
        node = node % size if is_periodic else node.clamp(0, size - 1)
        axis = torch.zeros(len(g), size).scatter_add(1, node, four)
        product = (product[:, :, None] * axis[:, None, :]).flatten(1)
    return product


def network(torch, widths, sizes, periodic, form):
    class Grid(torch.nn.Module):
        def __init__(self):
            super().__init__()
            nodes = 1
            for size in sizes:
                nodes *= size
            bounds = [(6 / (i + o)) ** 0.5 for i, o in zip(widths, widths[1:])]
            self.weight = torch.nn.ParameterList(
                torch.empty(nodes, o, i).uniform_(-bound, bound)
                for i, o, bound in zip(widths, widths[1:], bounds))
            self.bias = torch.nn.ParameterList(torch.zeros(nodes, o) for o in widths[1:])

        def forward(self, x, g):
            n = node_weights(torch, g, sizes, periodic)
            for layer, (weight, bias) in enumerate(zip(self.weight, self.bias)):
                if form == "blend":
                    own = (n @ weight.flatten(1)).view(len(x), *weight.shape[1:])
                    z = torch.bmm(own, x[:, :, None])[:, :, 0]
                else:
                    scaled = (n[:, :, None] * x[:, None, :]).flatten(1)
                    z = scaled @ weight.transpose(1, 2).flatten(0, 1)
                x = z + n @ bias
                if layer + 1 < len(self.weight):
                    x = torch.nn.functional.elu(x)
            return x

    return Grid()


def timed(torch, args, form):
    torch.manual_seed(0)
    given = dict(WORKLOADS[args.workload])
    batch = given.pop("batch")
    x, g = torch.randn(batch, given["widths"][0]), torch.rand(batch, len(given["sizes"]))
    target = torch.randn(batch, given["widths"][-1])
    model = network(torch, **given, form=form)
    call = torch.compile(model) if args.compile else model
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def forward():
        with torch.no_grad():
            call(x, g)

    def train_step():
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.mse_loss(call(x, g), target).backward()
        optimizer.step()

    return median_ms(forward, args.repeats, warm_up=3), median_ms(train_step, args.repeats, warm_up=3)


def main():
    args = arguments()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    import torch

    torch.set_num_threads(args.threads)
    forms = ["blend", "nodes"] if args.form == "best" else [args.form]
    times = {form: timed(torch, args, form) for form in forms}
    forward, step = (min(forms, key=lambda form: times[form][i]) for i in range(2))
    print(json.dumps({
        "system": "gfnn", "workload": args.workload,
        "impl": "torch-compile" if args.compile else "torch-eager", "threads": args.threads,
        "form_of_forward": forward, "form_of_step": step,
        "forward_ms": round(times[forward][0], 4), "train_step_ms": round(times[step][1], 4),
        "peak_rss_mb": peak_rss_mb(),
        "torch": torch.__version__}))


if __name__ == "__main__":
    main()
