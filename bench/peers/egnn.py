#!/usr/bin/env python3
"""Times the authors' EGNN modules (vgsatorras/egnn at e9ca6c0) on the workloads of `tessera bench egnn`.

    PEERS_DIR=CHECKOUTS python bench/peers/egnn.py --workload nbody|nbody_gnn|nbody_rf|qm9|ae
                                                   [--threads N] [--repeats R] [--compile]

CHECKOUTS holds the repository in a folder named egnn. Prints one JSON line.
"""
import argparse, importlib.util, json, os, sys

from peer_timing import median_ms, peak_rss_mb

ap = argparse.ArgumentParser()
ap.add_argument("--workload", default="nbody", choices=["nbody", "nbody_gnn", "nbody_rf", "qm9", "ae"])
ap.add_argument("--threads", type=int, default=1)
ap.add_argument("--repeats", type=int, default=20)
ap.add_argument("--compile", action="store_true")
a = ap.parse_args()
os.environ["OMP_NUM_THREADS"] = str(a.threads)
import torch
from torch import nn
torch.set_num_threads(a.threads)
REF = os.path.join(os.environ.get("PEERS_DIR", "peers"), "egnn")
sys.path.insert(0, REF)
from models import ae as ref_ae
from n_body_system import model as nb
spec = importlib.util.spec_from_file_location("ref_qm9_models", os.path.join(REF, "qm9/models.py"))
ref_qm9 = importlib.util.module_from_spec(spec); spec.loader.exec_module(ref_qm9)

g = torch.Generator().manual_seed(0)
rn = lambda *s: torch.randn(*s, generator=g)
torch.manual_seed(0)


def pairs(n, b, self_pairs):
    i = torch.arange(n)
    r, c = torch.meshgrid(i, i, indexing="ij"); r, c = r.reshape(-1), c.reshape(-1)
    if not self_pairs:
        k = r != c; r, c = r[k], c[k]
    off = (torch.arange(b) * n)[:, None]
    return [(r[None] + off).reshape(-1), (c[None] + off).reshape(-1)]


if a.workload.startswith("nbody"):
    B, n = 100, 5
    e = pairs(n, B, False)
    loc, vel, tgt = rn(B * n, 3), rn(B * n, 3) * 0.3, rn(B * n, 3)
    q = torch.sign(rn(B * n * (n - 1), 1))
    d2 = ((loc[e[0]] - loc[e[1]]) ** 2).sum(1, keepdim=True)
    speed = vel.norm(dim=1, keepdim=True)
    ea = torch.cat([q, d2], 1)
    if a.workload == "nbody":
        m = nb.EGNN_vel(in_node_nf=1, in_edge_nf=2, hidden_nf=64, n_layers=4, recurrent=True)
        fwd = lambda net: net(speed, loc.clone(), e, vel, ea)
    elif a.workload == "nbody_gnn":
        m = nb.GNN(input_dim=6, hidden_nf=64, n_layers=4, recurrent=True)
        fwd = lambda net: net(torch.cat([loc, vel], 1), e, q)
    else:
        m = nb.RF_vel(hidden_nf=64, edge_attr_nf=2, n_layers=4)
        fwd = lambda net: net(speed, loc.clone(), e, vel, ea)
    loss_of = lambda out: nn.functional.mse_loss(out, tgt)
    lr, wd = 5e-4, 1e-12
elif a.workload == "qm9":
    B, n = 96, 20                                   # 18 real atoms + 2 padded slots in every molecule
    e = pairs(n, B, True)
    h, x = rn(B * n, 15), rn(B * n, 3) * 2
    mask = (torch.arange(n) < 18).float().repeat(B)[:, None]
    em = (mask.view(B, n, 1) * mask.view(B, 1, n) * (1 - torch.eye(n))).reshape(-1, 1)
    tgt = rn(B)
    m = ref_qm9.EGNN(in_node_nf=15, in_edge_nf=0, hidden_nf=128, n_layers=7, attention=1, node_attr=0)
    fwd = lambda net: net(h0=h, x=x, edges=e, edge_attr=None, node_mask=mask, edge_mask=em, n_nodes=n)
    loss_of = lambda out: nn.functional.l1_loss(out, tgt)
    lr, wd = 5e-4, 1e-16
else:
    n = 16
    e = pairs(n, 1, False)
    adj = (torch.rand(n, n, generator=g) < 0.25).float(); adj = torch.triu(adj, 1); adj = adj + adj.T
    ea = adj[e[0], e[1]][:, None]
    m = ref_ae.AE_EGNN(hidden_nf=64, K=8, act_fn=nn.SiLU(), n_layers=4, reg=1e-3, clamp=True)
    fwd = lambda net: net(torch.ones(n, 1), e, ea)[0]
    loss_of = lambda out: nn.functional.binary_cross_entropy(out.view(-1, 1), adj.view(-1, 1), reduction="sum")
    lr, wd = 1e-4, 1e-16

net = torch.compile(m) if a.compile else m
opt = torch.optim.Adam(m.parameters(), lr=lr, weight_decay=wd)


def forward():
    with torch.no_grad():
        return fwd(net)


def step():
    opt.zero_grad()
    loss_of(fwd(net)).backward()
    opt.step()


def safe(f):
    """torch.compile cannot differentiate the reference's in-place coordinate update (nbody, nbody_rf, ae): report null there."""
    if not a.compile:
        return median_ms(f, a.repeats, warm_up=3), None
    try:
        return median_ms(f, a.repeats, warm_up=3), None
    except RuntimeError as e:
        return None, str(e).splitlines()[0][:160]


f_ms, f_err = safe(forward)
s_ms, s_err = safe(step)
out = {"system": "egnn", "workload": a.workload, "impl": "authors-compile" if a.compile else "authors-eager", "threads": a.threads,
       "forward_ms": f_ms, "train_step_ms": s_ms,
       "peak_rss_mb": peak_rss_mb(), "torch": torch.__version__}
if f_err or s_err:
    out["error"] = f_err or s_err
print(json.dumps(out))
