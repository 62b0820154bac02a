"""`snn convert`: a trained network spikes, and is evaluated as any other."""

import json

import pytest

SHORT = ["--set", "train.steps=40", "--set", "train.evaluate_every_steps=40", "--set", "task.test_size=200",
         "--threads", "1", "--quiet"]
SMALL = ["--set", "model.conv_plan=[8,\"M\",16,\"M\"]", "--set", "model.image_size=32"]


@pytest.fixture(scope="module")
def trained(tessera, tmp_path_factory):
    """A folder with the run `vgg`, for all tests."""
    import subprocess
    folder = tmp_path_factory.mktemp("snn")
    subprocess.run([tessera, "train", "snn_calibration/digits", *SHORT, *SMALL, "--out", "vgg"], cwd=folder,
                   check=True, capture_output=True)
    return folder / "vgg"


def test_a_run_becomes_a_bundle_that_eval_and_predict_take(run, trained, safetensors, tmp_path):
    shown = run("snn", "convert", trained, "spiking", "--steps", 8, "--pipeline", "potential", "--images", 128,
                "--threads", 1).stdout
    assert "features.0" in shown and "%" in shown and "nJ in 8 steps" in shown
    told = json.loads(run("eval", "spiking", "--json").stdout)["metrics"]["top1"]
    assert f"as trained, {told:.2f} in 8 steps" in shown
    stored = safetensors(tmp_path / "spiking" / "model.safetensors")
    assert {"threshold/features.0", "potential/features.0", "features.0.weight"} <= set(stored.tensors)
    assert stored.metadata["method"] == "spikes" and json.loads(stored.metadata["settings"])["time_steps"] == 8

    run("export", trained, "plain")
    given = "plain/example/input.safetensors"
    run("predict", "spiking", "--input", given, "--output", "out.safetensors")
    assert safetensors(tmp_path / "out.safetensors").tensors["logits"][1] == [4, 10]
    run("predict", "spiking", "--input", given, "--output", "wide.safetensors", "--dtype", "float64")
    assert safetensors(tmp_path / "wide.safetensors").tensors["logits"][0] == "F64"


@pytest.mark.parametrize("options, keys", [
    (["--pipeline", "none", "--threshold", "max"], {"calib": "none", "threshold_mode": "max"}),
    (["--threshold", "percentile", "--percentile", "0.99"], {"calib": "light", "percentile": 0.99}),
    (["--channel-wise"], {"channel_wise": True}),
    (["--pipeline", "advanced", "--iters", "3"],
     {"weight_calib": {"batch_size": 32, "iters": 3, "num_samples": 96}}),
])
def test_every_option_reaches_the_method(run, trained, options, keys):
    told = json.loads(run("snn", "convert", trained, "out", "--steps", 4, "--images", 96, "--json", "--threads", 1,
                          *options).stdout)
    assert keys.items() <= told["settings"].items() and told["settings"]["time_steps"] == 4
    assert [layer["layer"] for layer in told["layers"]] == ["features.0", "features.4"]
    channels = 8 if "--channel-wise" in options else 1
    assert len(told["layers"][0]["threshold"]) == channels
    assert all(0 < layer["firing_rate"] < 1 for layer in told["layers"])
    assert told["energy"]["spike_ops"] > 0 and told["examples"] == 200
    assert set(told["network"]) == set(told["spiking"]) == {"loss", "top1"}


def test_a_maximum_threshold_is_the_largest_and_more_steps_come_nearer(run, trained):
    def told(folder, *options):
        return json.loads(run("snn", "convert", trained, folder, "--images", 64, "--json", "--threads", 1,
                              *options).stdout)

    most = told("a", "--threshold", "max", "--pipeline", "none", "--steps", 4)
    best = told("b", "--threshold", "mse", "--pipeline", "none", "--steps", 4)
    many = told("c", "--threshold", "max", "--pipeline", "none", "--steps", 256)
    for large, small in zip(most["layers"], best["layers"]):
        assert large["threshold"] >= small["threshold"]
    loss = most["network"]["loss"]
    assert abs(many["spiking"]["loss"] - loss) < abs(most["spiking"]["loss"] - loss)
    assert abs(many["spiking"]["loss"] - loss) < 0.1 * loss


def test_folded_and_merged_networks_spike(run):
    run("train", "folded_cnn/digits", "--set", "train.steps=4", "--set", "train.evaluate_every_steps=4",
        "--set", "task.train_size=300", "--set", "task.test_size=60", "--set", "model.fold=2", "--set", "task.fold=2",
        "--set", "model.pool=average",
        "--threads", 1, "--quiet", "--out", "folded")
    run("snn", "convert", "folded", "pairs", "--steps", 4, "--images", 32, "--threads", 1)
    assert "top1" in json.loads(run("eval", "pairs", "--json").stdout)["metrics"]
    run("train", "zoo_tuning/digits_target", "--set", "train.steps=3", "--set", "train.evaluate_every_steps=3",
        "--set", "model.widths=[4,4,6]", "--set", "model.lite=true", "--set", "model.downsample_lite=true",
        "--set", "model.pool=average", "--set", "task.test_size=40", "--threads", 1, "--quiet", "--out", "zoo")
    run("snn", "convert", "zoo", "merged", "--steps", 4, "--images", 32, "--threads", 1)
    assert "top1" in json.loads(run("eval", "merged", "--json").stdout)["metrics"]


@pytest.mark.parametrize("options, hint, code", [
    (["--steps", "0"], "--steps", 2),
    (["--pipeline", "heavy"], "none, light, potential, weights, advanced", 2),
    (["--threshold", "percentile"], "percentile", 2),
    (["--channel-wise", "--threshold", "max"], "channel_wise", 2),
    (["--images", "100000"], "Lower --images", 2),
])
def test_wrong_options_leave_no_folder(run, trained, tmp_path, options, hint, code):
    assert hint in run("snn", "convert", trained, "out", *options, code=code).stderr
    assert not (tmp_path / "out").exists()


def test_what_cannot_spike_says_why(run, trained, tmp_path):
    run("train", "egnn/cycles", "--set", "train.steps=2", "--set", "model.dim=8", "--set", "task.eval_draws=1",
        "--threads", "1", "--quiet", "--out", "egnn")
    assert "convolutional" in run("snn", "convert", "egnn", "out", code=4).stderr
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert "new or empty" in run("snn", "convert", trained, "full", code=2).stderr
    run("snn", "convert", trained, "spiking", "--images", 32, "--steps", 2, "--threads", 1)
    assert "has its form already" in run("snn", "convert", "spiking", "again", code=4).stderr
    assert "copy the folder" in run("export", "spiking", "again", code=4).stderr


def test_a_damaged_bundle_is_refused(run, trained, safetensors, tmp_path):
    run("snn", "convert", trained, "spiking", "--images", 32, "--steps", 2, "--threads", 1)
    path = tmp_path / "spiking" / "model.safetensors"
    file = safetensors(path)
    network = file.metadata["network"]
    file.metadata["network"] = "{"
    file.write(path)
    assert "T-NET-10" in run("eval", "spiking", code=3).stderr
    file.metadata["network"] = network
    file.drop("threshold/features.4")
    file.write(path)
    assert "Search the thresholds first" in run("eval", "spiking", code=2).stderr
