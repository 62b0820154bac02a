#!/usr/bin/env python3
"""Times a step of UGS (VITA-Group/Unified-LTH-GNN at 4f1b08b) on the workloads of `tessera bench ugs`.

    PEERS_DIR=CHECKOUTS python bench/peers/ugs.py
        --workload cora_mask|citeseer_mask|cora_retrain|gin_cora_mask|pubmed_size_mask
        [--impl authors|torch] [--compile] [--threads N] [--repeats R]

    authors  their modules, CHECKOUTS/Unified-LTH-GNN: dense adjacency and masks of it, dense features
    torch    the same step on edge lists and sparse features, as a PyTorch user would write it

A random graph and random features have the sizes of the data set; 512 hidden units. A step is forward with
dropout, cross entropy, backward, L1 subgradient of the masks, Adam; the forward is one in evaluation.
Their modules need no other package: what they import and do not use here is replaced, and so is DGL's
message passing (a gather, a product, a mean), whose version of then does not run with today's torch.
Their adjacency of PubMed's size takes more than 12 GB, so that row is an error. Prints one JSON line.
"""
import argparse
import importlib
import json
import os
import sys
import types

from peer_timing import median_ms, peak_rss_mb

# nodes, undirected edges, features, draws of non-zeros, classes, labelled nodes
SIZES = {
    "cora": (2708, 5278, 1433, 49216, 7, 140),
    "citeseer": (3327, 4552, 3703, 105165, 6, 120),
    "pubmed": (19717, 44324, 500, 988031, 3, 60),
}
WORKLOADS = ["cora_mask", "citeseer_mask", "cora_retrain", "gin_cora_mask", "pubmed_size_mask"]
HIDDEN, L1, LARGEST_DENSE = 512, 1e-2, 10000


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", default=WORKLOADS[0], choices=WORKLOADS)
    parser.add_argument("--impl", default="authors", choices=["authors", "torch"])
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


class Data:
    """A random graph, both directions of its edges in row-major order, with sparse features and labels."""

    def __init__(self, torch, workload):
        name = next(name for name in SIZES if name in workload)
        nodes, links, width, draws, self.classes, self.labelled = SIZES[name]
        generator = torch.Generator().manual_seed(0)
        draw = lambda end, *size: torch.randint(0, end, size, generator=generator)
        keys = torch.empty(0, dtype=torch.long)
        while len(keys) < links:
            a, b = draw(nodes, 2, 2 * links)
            new = torch.minimum(a, b) * nodes + torch.maximum(a, b)
            keys = torch.unique(torch.cat([keys, new[a != b]]))
        keys = keys[torch.randperm(len(keys), generator=generator)[:links]]
        low, high = keys // nodes, keys % nodes
        both = torch.cat([low * nodes + high, high * nodes + low]).sort().values
        self.nodes, self.width = nodes, width
        self.edges = torch.stack([both // nodes, both % nodes])
        counts = torch.sparse_coo_tensor(torch.stack([draw(nodes, draws), draw(width, draws)]),
                                         torch.ones(draws), (nodes, width)).coalesce()
        rows = counts.indices()[0]
        sums = torch.zeros(nodes).index_add(0, rows, counts.values())
        self.features = torch.sparse_coo_tensor(counts.indices(), counts.values() / sums[rows],
                                                (nodes, width), is_coalesced=True)
        self.labels = draw(self.classes, nodes)


class Unused(types.ModuleType):
    """Stands for a package whose parts are imported and not used."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class Links:
    """What their GIN asks of a DGL graph: the mean over the edges into a node, of h times an edge's mask."""

    def __init__(self, torch, edges, nodes):
        self.torch, self.edges, self.nodes = torch, edges, nodes
        self.ndata, self.edata = {}, {}
        self.degrees = torch.bincount(edges[1], minlength=nodes).clamp(min=1)[:, None]

    def all_edges(self):
        return self.edges[0], self.edges[1]

    def local_var(self):
        copy = Links.__new__(Links)
        copy.__dict__.update(self.__dict__, ndata=dict(self.ndata), edata=dict(self.edata))
        return copy

    def update_all(self, message, reduction):
        (of_nodes, of_edges), (_, result) = message, reduction
        sent = self.ndata[of_nodes][self.edges[0]] * self.edata[of_edges]
        total = self.torch.zeros(self.nodes, sent.shape[1]).index_add(0, self.edges[1], sent)
        self.ndata[result] = total / self.degrees


def their_modules(torch, names):
    torch.Tensor.cuda = lambda tensor, *args, **kwargs: tensor
    messages = types.ModuleType("dgl.function")
    messages.src_mul_edge = lambda of_nodes, of_edges, out: (of_nodes, of_edges)
    messages.copy_u = lambda of_nodes, out: (of_nodes, None)
    messages.mean = messages.sum = messages.max = lambda sent, out: (sent, out)
    unused = ["dgl", "dgl.nn", "dgl.nn.pytorch", "dgl.nn.pytorch.glob", "matplotlib", "matplotlib.pyplot",
              "networkx", "numpy", "scipy", "scipy.sparse", "scipy.sparse.linalg",
              "scipy.sparse.linalg.eigen", "scipy.sparse.linalg.eigen.arpack"]
    kept = {name: sys.modules.get(name) for name in unused}
    sys.modules.update({name: Unused(name) for name in unused})
    for name in unused:
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, sys.modules[name])
    sys.modules["dgl"].function = sys.modules["dgl.function"] = messages
    checkouts = os.environ.get("PEERS_DIR", "peers")
    sys.path.insert(0, os.path.join(checkouts, "Unified-LTH-GNN", "NodeClassification"))
    found = [importlib.import_module(name) for name in names]
    for name, module in kept.items():  # torch may have use of the real ones
        if module is None:
            del sys.modules[name]
        else:
            sys.modules[name] = module
    return found


class Authors:
    def __init__(self, torch, data, workload):
        self.is_gin = workload.startswith("gin")
        x = data.features.to_dense()
        widths = [data.width, HIDDEN, data.classes]
        if self.is_gin:
            pruning, networks = their_modules(torch, ["pruning_gin", "gnns.gin_net"])
            graph = Links(torch, data.edges, data.nodes)
            self.model = networks.GINNet(widths, graph)
            self.given = (graph, x, 0, 0)
        else:
            pruning, networks = their_modules(torch, ["pruning", "net"])
            adjacency = torch.zeros(data.nodes, data.nodes)
            adjacency[data.edges[0], data.edges[1]] = 1
            self.model = networks.net_gcn(widths, adjacency)
            self.given = (x, adjacency)
        pruning.add_mask(self.model)
        if workload.endswith("retrain"):
            for name, parameter in self.model.named_parameters():
                parameter.requires_grad_(parameter.requires_grad and "mask" not in name)
            self.add_penalty = lambda: None
        else:
            self.add_penalty = lambda: pruning.subgradient_update_mask(self.model, {"s1": L1, "s2": L1})
        self.parameters = list(self.model.parameters())
        self.call = self.model

    def compile(self, torch):
        self.call = torch.compile(self.model)

    def logits(self, is_training):
        if self.is_gin:
            self.model.train(is_training)
            return self.call(*self.given)
        return self.call(*self.given, val_test=not is_training)


class Sparse:
    def __init__(self, torch, data, workload):
        self.torch, self.data = torch, data
        self.is_gin = workload.startswith("gin")
        trains_masks = not workload.endswith("retrain")
        leaf = lambda tensor, trained=True: tensor.requires_grad_(trained)
        uniform = lambda out, into: torch.empty(out, into).uniform_(-into**-0.5, into**-0.5)
        shapes = [(HIDDEN, data.width), (data.classes, HIDDEN)]
        self.weights = [leaf(uniform(*shape)) for shape in shapes]
        self.masks = [leaf(torch.ones(shape), trains_masks) for shape in shapes]
        self.edge_mask = leaf(torch.ones(data.edges.shape[1]), trains_masks)
        self.penalized = [*self.masks, self.edge_mask] if trains_masks else []
        self.parameters = [*self.weights, *self.penalized]
        if self.is_gin:
            self.head, self.eps = leaf(uniform(*shapes[1])), leaf(torch.zeros(2))
            self.parameters += [self.head, self.eps]
            self.degrees = torch.bincount(data.edges[1], minlength=data.nodes).clamp(min=1)[:, None]
        self.run = self.network

    def compile(self, torch):
        self.run = torch.compile(self.network)

    def add_penalty(self):
        with self.torch.no_grad():
            for mask in self.penalized:
                mask.grad += L1 * mask.sign()

    def logits(self, is_training):
        return self.run(is_training)

    def gathered(self, x, coefficient):
        source, target = self.data.edges
        return self.torch.zeros_like(x).index_add(0, target, coefficient[:, None] * x[source])

    def network(self, is_training):
        torch = self.torch
        dropout = lambda h: torch.nn.functional.dropout(h.relu(), 0.5, is_training)
        first, second = (w * m for w, m in zip(self.weights, self.masks))
        xw = torch.sparse.mm(self.data.features, first.t())
        if self.is_gin:
            layer = lambda z, l: dropout((1 + self.eps[l]) * z + self.gathered(z, self.edge_mask) / self.degrees)
            h = layer(xw, 0)
            return (h @ self.head.t() + layer(h @ second.t(), 1)) / 2
        source, target = self.data.edges
        degrees = torch.ones(self.data.nodes).index_add(0, source, self.edge_mask)
        s = degrees.pow(-0.5)
        coefficient = s[source] * s[target] * self.edge_mask
        propagated = lambda x: (s * s)[:, None] * x + self.gathered(x, coefficient)
        return propagated(dropout(propagated(xw)) @ second.t())


def main():
    args = arguments()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    sys.dont_write_bytecode = True
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    torch.sparse.check_sparse_tensor_invariants.disable()
    name = "authors" if args.impl == "authors" else "torch-sparse"
    row = {"system": "ugs", "workload": args.workload, "threads": args.threads, "torch": torch.__version__,
           "impl": f"{name}-{'compile' if args.compile else 'eager'}"}
    data = Data(torch, args.workload)
    if args.impl == "authors" and data.nodes > LARGEST_DENSE:
        row["error"] = "a dense adjacency of this size takes more than 12 GB in training"
        print(json.dumps(row))
        return
    it = (Authors if args.impl == "authors" else Sparse)(torch, data, args.workload)
    if args.compile:
        it.compile(torch)
    optimizer = torch.optim.Adam(it.parameters, lr=8e-3, weight_decay=8e-5)
    labelled = torch.arange(data.labelled)

    def forward():
        with torch.no_grad():
            it.logits(False)

    def train_step():
        optimizer.zero_grad()
        logits = it.logits(True)[labelled]
        torch.nn.functional.cross_entropy(logits, data.labels[labelled]).backward()
        it.add_penalty()
        optimizer.step()

    row["forward_ms"] = median_ms(forward, args.repeats)
    row["train_step_ms"] = median_ms(train_step, args.repeats)
    row["peak_rss_mb"] = peak_rss_mb()
    print(json.dumps(row))


if __name__ == "__main__":
    main()
