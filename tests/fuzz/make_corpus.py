#!/usr/bin/env python3
"""Writes the fuzzing corpus: one folder a reader, one small file a rule of its format.

A file named "ok_..." must be accepted; any other begins with the id of the error that it must
provoke ("T-ST-15_hole"). tessera/io/corpus_test.cpp holds the readers to that. The corpus is kept
in the repository; run this script after a change of it: python3 tests/fuzz/make_corpus.py
"""

import pathlib
import shutil

from archive_corpus import tar, xz
from bvh_corpus import bvh
from image_corpus import jpeg, png
from planetoid_corpus import citation_graph, planetoid
from table_corpus import arff, csv, image_list, ts, word_vectors, xyz
from tensor_corpus import checkpoint, idx, npy, npz, safetensors

ROOT = pathlib.Path(__file__).parent / "corpus"


def main():
    shutil.rmtree(ROOT, ignore_errors=True)
    for make in (safetensors, npy, npz, idx, tar, xyz, ts, arff, checkpoint, xz, word_vectors, png,
                 jpeg, planetoid, csv, bvh, image_list):
        folder = ROOT / make.__name__
        folder.mkdir(parents=True)
        for name, content in make():
            (folder / name).write_bytes(content)
    folder = ROOT.parent.parent / "data/planetoid"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in citation_graph():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
