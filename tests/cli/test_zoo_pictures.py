"""`zoo_tuning` on pictures of one's own: from a folder or a list to a merged network."""

import json
import random
import struct
import zlib

import pytest

SMALL = ["--set", "task.resize=20", "--set", "task.crop=16", "--set", "model.image_size=16", "--set",
         "model.network=tiny", "--set", "model.num_classes=2", "--set", "train.batch_size=4", "--set",
         "train.eval_batch_size=3", "--set", "train.evaluate_every_steps=4", "--set", "train.lr=0.05"]
STEPS = ["--set", "train.steps=8", "--threads", "1", "--quiet"]
LITE = ["--set", "model.lite=true", "--set", "model.downsample_lite=true"]
RECIPE = "zoo_tuning/folder_resnet50"


def png(rows):
    """A PNG file of rows of (red, green, blue)."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    lines = b"".join(b"\0" + bytes(value for pixel in row for value in pixel) for row in rows)
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) +
            chunk(b"IEND", b""))


@pytest.fixture
def pictures(tmp_path):
    """Noise that is red or blue, 24 training pictures of each and 6 to test."""
    draw = random.Random(0)
    for split, count in (("train", 24), ("test", 6)):
        for c, name in enumerate(("blue", "red")):
            folder = tmp_path / "pictures" / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                tint = (120, 0, 0) if c else (0, 0, 120)
                rows = [[[draw.randrange(136) + t for t in tint] for _ in range(22 + i % 3)] for _ in range(18)]
                (folder / f"{i}.png").write_bytes(png(rows))
    return tmp_path / "pictures"


def test_from_pictures_to_a_merged_network(run, pictures, tmp_path):
    at = [*SMALL, "--set", f"task.folder={pictures}"]
    for seed in ("0", "1"):
        run("train", RECIPE, *at, *STEPS, "--set", "model.method=plain", "--set", f"train.seed={seed}",
            "--out", f"source{seed}")
        run("export", f"source{seed}", f"bundle{seed}")
    sources = json.dumps([str(tmp_path / f"bundle{seed}" / "model.safetensors") for seed in "01"])
    run("train", RECIPE, *at, *STEPS, *LITE, "--set", f"model.sources={sources}", "--set",
        "model.num_sources=2", "--set", "task.valid_share=0.25", "--out", "zoo")
    tested = json.loads(run("eval", "zoo", "--json").stdout)
    assert tested["examples"] == 12 and tested["metrics"]["top1"] >= 75
    assert json.loads(run("eval", "zoo", "--split", "valid", "--json").stdout)["examples"] == 12

    run("zoo", "merge", "zoo", "plain.safetensors")
    plain = json.loads(run("eval", RECIPE, *at, "--set", "model.method=plain", "--weights",
                           "plain.safetensors", "--json").stdout)["metrics"]
    assert plain["top1"] == tested["metrics"]["top1"]
    assert plain["loss"] == pytest.approx(tested["metrics"]["loss"], rel=1e-3)


def test_batches_are_the_same_whoever_makes_them(run, pictures, safetensors, tmp_path):
    weights = {}
    for name, more in {"alone": ["run.prefetch=0"], "ahead": ["run.prefetch=3"],
                       "read": ["run.prefetch=1", "task.cache_mib=0"]}.items():
        more = [word for setting in more for word in ("--set", setting)]
        run("train", RECIPE, *SMALL, *STEPS, "--set", f"task.folder={pictures}", *more, "--set",
            "model.num_sources=2", "--out", name)
        run("export", name, name + "_bundle")
        weights[name] = safetensors(tmp_path / (name + "_bundle") / "model.safetensors").tensors
    assert weights["ahead"] == weights["alone"] == weights["read"]


def test_lists_are_read_below_their_root_and_nowhere_else(run, pictures):
    lines = [f"train/{name}/{i}.png {c}\n" for c, name in enumerate(("blue", "red")) for i in range(24)]
    (pictures / "test.txt").write_text("test/red/0.png 1\ntest/blue/0.png 0\n")

    def train(text, code):
        (pictures / "train.txt").write_text(text)
        return run("train", RECIPE, *SMALL, *STEPS, "--set", f"task.folder={pictures}", "--set",
                   "task.train_list=train.txt", "--set", "task.test_list=test.txt", "--set",
                   "model.num_sources=1", "--out", "run", code=code).stderr

    whole = "".join(lines)
    assert "train.txt: line 49 must name a picture below" in train(whole + "../x.png 0\n", 3)
    assert "train.txt: line 48 must end with a newline" in train(whole[:-1], 3)
    assert "train.txt: line 3 must be" in train(lines[0] + lines[1] + "\n", 3)
    assert "that no line before it names" in train(whole + lines[7], 3)
    assert "gone.png" in train(whole + "train/red/gone.png 1\n", 5)
    train(whole, 0)
    assert json.loads(run("eval", "run", "--json").stdout)["examples"] == 2


def test_a_damaged_picture_is_named(run, pictures):
    (pictures / "train" / "red" / "5.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    error = run("train", RECIPE, *SMALL, *STEPS, "--set", f"task.folder={pictures}", "--set",
                "model.num_sources=1", "--set", "train.steps=20", "--out", "run", code=3).stderr
    assert "red/5.png" in error


def test_another_number_of_classes_is_refused(run, pictures):
    error = run("train", RECIPE, *SMALL, *STEPS, "--set", f"task.folder={pictures}", "--set",
                "model.num_classes=3", "--set", "model.num_sources=1", "--out", "run", code=2).stderr
    assert "2 classes of the data" in error and "model.num_classes" in error
