#!/usr/bin/env python3
"""Makes share/mnist from MNIST's files: the images that ship with the library.

    dev/make_mnist_subset.py FOLDER [--out share/mnist]

FOLDER holds the four official files, gzipped or plain. Of each digit the first 240 images of the
training file and the first 60 of the test file are taken, in the files' order: no choice by looks,
no random numbers. The result is two IDX pairs in bzip2, which packs these images best.
"""

import argparse
import bz2
import gzip
import pathlib
import struct

TRAIN_PER_CLASS, TEST_PER_CLASS = 240, 60


def read(folder, name):
    plain = folder / name
    return plain.read_bytes() if plain.exists() else gzip.decompress((folder / f"{name}.gz").read_bytes())


def subset(images, labels, per_class):
    """The chosen images and labels as IDX bytes."""
    count, rows, columns = struct.unpack(">3I", images[4:16])
    size = rows * columns
    taken, left = [], [per_class] * 10
    for i, label in enumerate(labels[8:8 + count]):
        if left[label]:
            left[label] -= 1
            taken.append(i)
    pixels = b"".join(images[16 + i * size:16 + (i + 1) * size] for i in taken)
    head = struct.pack(">4I", 0x803, len(taken), rows, columns)
    return head + pixels, struct.pack(">2I", 0x801, len(taken)) + bytes(labels[8 + i] for i in taken)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("share/mnist"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for split, per_class in (("train", TRAIN_PER_CLASS), ("t10k", TEST_PER_CLASS)):
        names = [f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte"]
        parts = subset(*(read(arguments.folder, name) for name in names), per_class)
        for name, part in zip(names, parts):
            packed = bz2.compress(part, 9)
            (arguments.out / f"{name}.bz2").write_bytes(packed)
            print(f"{name}.bz2: {len(part)} -> {len(packed)} bytes")


if __name__ == "__main__":
    main()
