#!/usr/bin/env python3
"""Writes share/cora/cora.safetensors from a Planetoid copy of Cora with whole-number types as narrow as they go.

    python dev/make_cora.py PLANETOID_FOLDER/cora.safetensors share/cora/cora.safetensors

Features are all 0 or 1, so that the places of the ones are enough. Equal input gives equal bytes.
"""
import sys

import torch
from safetensors.torch import load_file, save_file

source = load_file(sys.argv[1])
assert (source["feature_values"] == 1).all(), "Cora's features are 0 or 1"
narrow = {
    "feature_indptr": torch.int32,
    "feature_indices": torch.int16,
    "edge_index": torch.int16,
    "labels": torch.uint8,
    "train_idx": torch.int16,
    "val_idx": torch.int16,
    "test_idx": torch.int16,
}
tensors = {name: source[name].to(dtype).contiguous() for name, dtype in narrow.items()}
for name, tensor in tensors.items():
    assert (tensor.long() == source[name]).all(), name
save_file(tensors, sys.argv[2], {"source": "kimiyoung/planetoid, data/ind.cora.*"})
