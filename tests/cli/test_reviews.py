"""A text task from its archive to a prediction, on reviews that say what they are."""

import io
import json
import random
import tarfile

import pytest


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    """aclImdb.tar.xz in the official layout: 50,000 reviews of a few words, one of which decides."""
    root = tmp_path_factory.mktemp("reviews")
    (root / "imdb").mkdir()
    words = random.Random(0)
    # The fastest preset: what is tested is the layout, not the packing.
    with tarfile.open(root / "imdb" / "aclImdb.tar.xz", "w:xz", preset=0) as archive:
        for split in ("train", "test"):
            for kind, stars, sign in (("neg", 2, "awful"), ("pos", 9, "lovely")):
                for number in range(12500):
                    text = f"It is {sign}, {words.choice(('a', 'the'))} w{number % 50}.".encode()
                    info = tarfile.TarInfo(f"aclImdb/{split}/{kind}/{number}_{stars}.txt")
                    info.size = len(text)
                    archive.addfile(info, io.BytesIO(text))
    return root


SMALL = ("--set", "task.train_size=2000", "--set", "task.valid_size=200", "--set", "task.test_size=200",
         "--set", "train.epochs=3", "--threads", "1")


# The recipes are made for hundreds of words; these reviews have seven.
@pytest.mark.parametrize("recipe, settings", [
    ("lmu/imdb", ("model.theta=8", "train.lr=0.03")),
    ("unicornn/imdb", ("model.dt=1.0", "train.lr=0.02", "model.dropout=0", "model.embed_dropout=0")),
])
def test_a_recipe_trains_is_evaluated_and_predicts_from_text(run, reviews, tmp_path, recipe, settings):
    run("train", recipe, "--data", reviews, "--out", "run", *SMALL,
        *(word for setting in settings for word in ("--set", setting)))
    found = run("eval", "run", "--data", reviews).stdout
    assert float(found.split("accuracy")[1].split()[0]) > 95, found
    (tmp_path / "new.txt").write_text("It is lovely, the w7.\nIt is awful, a w9.\n")
    run("predict", "run", "--data", reviews, "--input", "new.txt", "--output", "y.safetensors")
    raw = (tmp_path / "y.safetensors").read_bytes()
    size = int.from_bytes(raw[:8], "little")
    begin, end = json.loads(raw[8:8 + size])["logits"]["data_offsets"]
    good, bad = memoryview(raw[8 + size:][begin:end]).cast("f")
    assert good > 0 > bad


def test_word_vectors_are_where_a_model_begins(run, reviews, tmp_path):
    lines = ["lovely " + "1 " * 299 + "1", "awful " + "-1 " * 299 + "-1"]
    (tmp_path / "vectors.txt").write_text("\n".join(lines) + "\n")
    run("train", "lmu/imdb_glove", "--data", reviews, "--out", "run", *SMALL, "--set",
        "task.embeddings=vectors.txt")
    (tmp_path / "vectors.txt").unlink()  # a trained model has what it needs
    found = run("eval", "run", "--data", reviews).stdout
    assert float(found.split("accuracy")[1].split()[0]) > 95, found
    run("train", "--resume", "run", "--data", reviews)
    error = run("train", "lmu/imdb_glove", "--data", reviews, "--out", "other", *SMALL, "--set",
                "task.embeddings=nowhere.txt", code=5).stderr
    assert "nowhere.txt" in error


def test_a_task_on_tensors_takes_no_text(run, tmp_path):
    (tmp_path / "a.txt").write_text("a\n")
    run("train", "lmu/capacity", "--out", "run", "--set", "task.num_samples=10", "--set",
        "task.window=50")
    assert "not text" in run("predict", "run", "--input", "a.txt", "--output", "b.safetensors",
                             code=2).stderr
