#!/usr/bin/env python3
"""Times the authors' code (yhhhli/SNN_Calibration at 4aece7c) on the workloads of `tessera bench snn_calibration`.

    PEERS_DIR=CHECKOUTS python bench/peers/snn_calibration.py --workload NAME [--threads N] [--repeats R] [--compile]

vgg16_t16, resnet20_t8   forward: one spiking inference of two images over all steps. Training step: one
                         iteration of the weight calibration of one layer, on 32 of its inputs.
mmse_search              a layer-wise and a channel-wise threshold search of 32x64x32x32. No training step.
light_vgg16_c4, _c7 ...  thresholds by MMSE and calibrated biases of the first 4, 7, 10 or 13 convolutions of
                         VGG-16, on two batches of two images, 16 steps. No training step.

float32, random weights. $PEERS_DIR holds the checkout "SNN_Calibration"; numpy is needed.
"""
import argparse
import contextlib
import io
import json
import os
import sys

from peer_timing import median_ms, peak_rss_mb

SPIKING = ("vgg16_t16", "resnet20_t8")
# Entries of VGG-16's plan, pools included, and the inputs of the classifier behind them.
PIPELINES = {
    "light_vgg16_c4": (6, 128 * 8 * 8),
    "light_vgg16_c7": (10, 256 * 4 * 4),
    "light_vgg16_c10": (14, 512 * 2 * 2),
    "light_vgg16_c13": (18, 512),
}


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", choices=(*SPIKING, "mmse_search", *PIPELINES), default=SPIKING[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compile", action="store_true")
    return parser.parse_args()


def search_workload(torch, compiles):
    from models.spiking_layer import find_threshold_mse

    activation = torch.relu(torch.randn(32, 64, 32, 32))
    search = torch.compile(find_threshold_mse) if compiles else find_threshold_mse

    def forward():
        for by_channel in (False, True):
            search(activation, T=16, channel_wise=by_channel)

    return forward, None


def converted(name):
    """The spiking network, its steps, and the layer of the training step with its side."""
    from models.CIFAR.models import resnet, vgg
    from models.fold_bn import search_fold_and_remove_bn
    from models.spiking_layer import SpikeModel

    if name == "resnet20_t8":
        source, specials, steps, layer, side = resnet.resnet20(), resnet.res_specials, 8, "layer2.1.conv1", 16
    else:
        source, specials, steps, layer, side = vgg.VGG("VGG16", 10, True), {}, 16, "features.24", 4
    source.eval()
    search_fold_and_remove_bn(source)
    return SpikeModel(source, sim_length=steps, specials=specials).eval(), layer, side


def spiking_workload(torch, name, compiles):
    from models.calibration import floor_ste
    from models.spiking_layer import SpikeModule, get_maximum_activation, lp_loss

    network, layer_name, side = converted(name)
    steps = network.T
    images = torch.randn(2, 3, 32, 32)
    get_maximum_activation([(images, None)], network, mse=False, sim_length=steps)
    network.set_spike_state(True)
    if compiles:
        for module in network.modules():
            if isinstance(module, SpikeModule):
                module.fwd_func = torch.compile(module.fwd_func)

    @torch.no_grad()
    def forward():
        network(images)

    layer = dict(network.model.named_modules())[layer_name]
    outputs, inputs = layer.weight.shape[:2]
    given = 0.5 * torch.rand(32, inputs, side, side)
    wanted = torch.rand(32, outputs, side, side)
    adam = torch.optim.Adam([layer.weight], lr=1e-5)

    def train_step():
        adam.zero_grad()
        current = layer.fwd_func(given, layer.weight, layer.bias, **layer.fwd_kwargs)
        levels = floor_ste(torch.clamp(current / layer.threshold * steps, min=0, max=steps))
        lp_loss(levels * layer.threshold / steps, wanted).backward()
        adam.step()

    return forward, train_step


def pipeline_workload(torch, name):
    import copy

    from models.CIFAR.models import vgg
    from models.calibration import bias_corr_model
    from models.fold_bn import search_fold_and_remove_bn
    from models.spiking_layer import SpikeModel, get_maximum_activation

    entries, features = PIPELINES[name]
    vgg.cfg[name] = vgg.cfg["VGG16"][:entries]
    source = vgg.VGG(name, 10, True)
    source.classifier = torch.nn.Linear(features, 10)
    source.eval()
    batches = [(torch.randn(2, 3, 32, 32), None) for _ in range(2)]

    def forward():
        network = copy.deepcopy(source)
        search_fold_and_remove_bn(network)
        spiking = SpikeModel(network, sim_length=16).eval()
        with contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            get_maximum_activation(batches, spiking, iters=5, sim_length=16, mse=True)
            bias_corr_model(spiking, batches)

    return forward, None


def main():
    args = arguments()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    sys.path.insert(0, os.path.join(os.environ.get("PEERS_DIR", "peers"), "SNN_Calibration"))
    if args.workload == "mmse_search":
        forward, train_step = search_workload(torch, args.compile)
    elif args.workload in PIPELINES:
        forward, train_step = pipeline_workload(torch, args.workload)
    else:
        forward, train_step = spiking_workload(torch, args.workload, args.compile)
    forward_ms = median_ms(forward, args.repeats)
    step_ms = median_ms(train_step, args.repeats) if train_step else None
    print(json.dumps({
        "system": "snn_calibration",
        "workload": args.workload,
        "impl": "authors-compile" if args.compile else "authors-eager",
        "threads": args.threads,
        "forward_ms": round(forward_ms, 3),
        "train_step_ms": None if step_ms is None else round(step_ms, 3),
        "peak_rss_mb": peak_rss_mb(),
        "torch": torch.__version__,
    }))


if __name__ == "__main__":
    main()
