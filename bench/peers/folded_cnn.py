"""Times the authors' folded CNNs (msr-fiddle/folded-cnns) on the workloads of tessera bench.

    python folded_cnn.py --workload game_f2 --threads 1 --repeats 5 [--compile]

float32. Forward: evaluation mode, no gradients. Training step: forward, unfold, cross-entropy, backward,
Adam. The number of images is the same at every fold; $PEERS_DIR holds the checkout "folded-cnns".
"""
import argparse
import json
import os
import sys
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--workload", required=True)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--repeats", type=int, default=5)
parser.add_argument("--compile", action="store_true")
args = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(args.threads)

import torch  # noqa: E402  (the threads must be set before)

from peer_timing import median_ms, peak_rss_mb

torch.set_num_threads(args.threads)
torch.manual_seed(0)
CHECKOUT = Path(os.environ.get("PEERS_DIR", "peers")) / "folded-cnns"
sys.path.insert(0, str(CHECKOUT))


def make_game(fold):
    from models.game import ConvN

    preset = CHECKOUT / "config/lol/goldnumber-fraction/model_description.json"
    given = json.loads(preset.read_text())
    description = {
        "out-h": given["out-h"],
        "out-w": given["out-w"],
        "chan-in": 3,
        "num-classes": len(given["ClassNames"]),
        "model-architecture": given["model-architecture"],
    }
    return ConvN(description, fold=fold, do_fold=fold > 1), (3, 22, 52), 11, 240, 48


def make_taipei(fold):
    from models.noscope import noscope_cnn

    return noscope_cnn("taipei", do_fold=fold > 1, fold=fold), (3, 50, 50), 2, 48, 24


def make_resnet18(fold):
    from models.resnet import ResNet18

    model = ResNet18(external_fold=fold, internal_multiplier=fold**0.5, do_fold=fold > 1)
    return model, (3, 32, 32), 10, 12, 12


MAKERS = {"game": make_game, "taipei": make_taipei, "resnet18": make_resnet18}
kind, _, fold_text = args.workload.rpartition("_f")
fold = int(fold_text)
model, image, classes, forward_images, train_images = MAKERS[kind](fold)
network = torch.compile(model) if args.compile else model


def images(count):
    return torch.rand(count // fold, fold * image[0], *image[1:])


forward_x, train_x = images(forward_images), images(train_images)
target = torch.randint(0, classes, (train_images,))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-5)
loss = torch.nn.CrossEntropyLoss()


def forward():
    with torch.no_grad():
        network(forward_x)


def train_step():
    optimizer.zero_grad()
    loss(network(train_x).view(train_images, classes), target).backward()
    optimizer.step()


model.eval()
forward_ms = median_ms(forward, args.repeats, warm_up=3)
model.train()
train_step_ms = median_ms(train_step, args.repeats, warm_up=3)
print(json.dumps({
    "system": "folded_cnn",
    "workload": args.workload,
    "impl": "authors-compile" if args.compile else "authors-eager",
    "threads": args.threads,
    "forward_ms": round(forward_ms, 4),
    "train_step_ms": round(train_step_ms, 4),
    "peak_rss_mb": peak_rss_mb(),
    "torch": torch.__version__,
}))
