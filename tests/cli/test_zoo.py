"""`zoo merge`: a lite model becomes one plain network."""

import json

import pytest

TINY = ["--set", "train.steps=6", "--set", "train.evaluate_every_steps=3", "--set", "task.test_size=40",
        "--set", "task.valid_per_class=8", "--set", "model.widths=[4,4,6]", "--threads", "1", "--quiet"]
LITE = ["--set", "model.lite=true", "--set", "model.downsample_lite=true"]


@pytest.fixture
def lite(run, tmp_path):
    run("train", "zoo_tuning/digits_target", *TINY, *LITE, "--out", "run")
    return tmp_path / "run"


def test_the_merged_network_computes_what_the_model_does(run, lite, safetensors, tmp_path):
    done = run("zoo", "merge", lite, "plain.safetensors").stdout
    assert "as a plain network" in done
    difference = float(done.split("differ by ")[1].split()[0])
    assert difference < 1e-4
    plain = safetensors(tmp_path / "plain.safetensors")
    assert {"conv1.weight", "bn3.running_var", "fc.bias"} <= set(plain.tensors)
    assert not [name for name in plain.tensors if "attention" in name or "align" in name]
    assert plain.tensors["conv1.weight"][1] == [4, 1, 5, 5]
    assert json.loads(plain.metadata["network"])["name"] == "lenet"


def test_a_merged_network_is_evaluated_as_a_plain_one(run, lite, tmp_path):
    run("zoo", "merge", lite, "plain.safetensors")
    metrics = json.loads(run("eval", lite, "--json").stdout)["metrics"]
    plain = json.loads(run("eval", "zoo_tuning/digits_target", *TINY[:-3], "--set", "model.method=plain",
                           "--weights", "plain.safetensors", "--json").stdout)["metrics"]
    assert plain["top1"] == metrics["top1"]
    assert plain["loss"] == pytest.approx(metrics["loss"], rel=1e-4)


def test_a_merged_network_is_a_source_again(run, lite, tmp_path):
    run("zoo", "merge", lite, "plain.safetensors")
    source = str(tmp_path / "plain.safetensors")
    run("train", "zoo_tuning/digits_target", *TINY, "--set", f"model.sources=[\"{source}\",\"{source}\"]",
        "--set", "model.num_sources=2", "--out", "again")


def test_what_does_not_fold_says_why(run, tmp_path):
    run("train", "zoo_tuning/digits_target", *TINY, "--out", "full")
    assert "model.lite = true" in run("zoo", "merge", "full", "x.safetensors", code=2).stderr
    run("train", "egnn/cycles", "--set", "train.steps=2", "--set", "model.dim=8", "--set", "task.eval_draws=1",
        "--threads", "1", "--quiet", "--out", "egnn")
    assert "merges" in run("zoo", "merge", "egnn", "x.safetensors", code=4).stderr
    assert not (tmp_path / "x.safetensors").exists()


def test_a_source_that_is_gone_is_named(run, tmp_path):
    error = run("train", "zoo_tuning/digits_target", *TINY, "--set", "model.sources=[\"gone.safetensors\"]",
                "--set", "model.num_sources=1", "--out", "run", code=5).stderr
    assert "gone.safetensors" in error and "model.sources" in error
