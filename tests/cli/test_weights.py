"""`train`, `eval`, `predict`, `export` and `convert`: weights in and out."""

import json

import pytest

TINY = ["--set", "train.steps=6", "--set", "model.dim=8", "--set", "task.eval_draws=1", "--threads", "1"]


@pytest.fixture
def trained(run, tmp_path):
    run("train", "egnn/cycles", *TINY, "--out", "run", "--quiet")
    return tmp_path / "run"


def test_an_unknown_key_is_named_with_its_place(run, root, tmp_path):
    recipe = tmp_path / "mine.toml"
    text = (root / "recipes" / "egnn" / "cycles.toml").read_text()
    recipe.write_text(text.replace("[train]", "[train]\nbach_size = 3"))
    line = recipe.read_text().splitlines().index("bach_size = 3") + 1
    error = run("train", recipe, code=2).stderr
    assert f"mine.toml:{line}:" in error and 'Did you mean "batch_size"?' in error
    assert "--set" in run("train", "egnn/cycles", "--set", "train.lr=-1", code=2).stderr
    assert 'Did you mean "egnn/cycles"?' in run("train", "egnn/cylces", code=2).stderr


def test_a_run_is_evaluated_listed_and_compared(run, trained):
    metrics = json.loads(run("eval", trained, "--json").stdout)["metrics"]
    assert "loss" in metrics
    assert run("eval", trained, "--split", "valid").stdout.startswith("egnn/cycles on valid")
    row, = json.loads(run("runs", "list", "--json").stdout)
    assert row["recipe"] == "egnn/cycles" and row["status"] == "finished" and row["steps"] == 6
    assert str(trained) in run("runs", "show", row["id"]).stdout
    run("train", "egnn/cycles", *TINY, "--set", "train.lr=0.01", "--out", "other", "--quiet")
    keys = [r["key"] for r in json.loads(run("runs", "compare", "1", "2", "--json").stdout)]
    assert "train.lr" in keys and "model.dim" not in keys
    run("runs", "show", "99", code=2)


def test_a_finished_run_is_not_overwritten(run, trained):
    assert "--resume" in run("train", "egnn/cycles", *TINY, "--out", trained, "--quiet", code=2).stderr
    run("train", "--resume", trained, "--quiet", "--threads", "1")
    run("train", "--resume", trained, "egnn/cycles", code=2)


def test_predict_writes_what_the_case_records(run, cases, safetensors, tmp_path):
    case = safetensors(cases / "clean_basic.safetensors")
    config = json.loads(case.metadata["config"])
    settings = [f"--set=model.{key}={json.dumps(value) if value is not None else 'none'}"
                for key, value in config.items()]
    case.tensors = {n.removeprefix("input/"): t for n, t in case.tensors.items() if n.startswith("input/")}
    inputs = case.write(tmp_path / "inputs.safetensors")
    run("predict", "egnn/nbody", *settings, "--dtype", "float64", "--weights", cases / "clean_basic.safetensors",
        "--input", inputs, "--output", "outputs.safetensors", "--threads", "1")
    outputs = safetensors(tmp_path / "outputs.safetensors").tensors

    whole = safetensors(cases / "clean_basic.safetensors")
    whole.drop("output/", "grad/", "grad_input/")
    whole.tensors.update({"output/" + n: t for n, t in outputs.items() if n in ("h", "x")})
    run("case", "check", whole.write(tmp_path / "again.safetensors"), "--quiet")


def test_predict_names_what_is_missing(run, trained, tmp_path, safetensors, cases):
    assert "--input" in run("predict", trained, "--output", "y.safetensors", code=2).stderr
    assert "weights" in run("predict", "egnn/cycles", "--input", cases / "clean_basic.safetensors",
                            "--output", "y.safetensors", code=2).stderr


def test_a_bundle_is_a_run_for_predict_and_eval(run, trained, safetensors, tmp_path):
    run("export", trained, "bundle", "--threads", "1")
    example = tmp_path / "bundle" / "example"
    run("predict", "bundle", "--input", example / "input.safetensors", "--output", "y.safetensors",
        "--threads", "1")
    expected, got = safetensors(example / "output.safetensors"), safetensors(tmp_path / "y.safetensors")
    assert set(expected.tensors) == set(got.tensors)
    assert run("eval", "bundle", "--json").stdout == run("eval", trained, "--json").stdout
    assert "empty folder" in run("export", trained, "bundle", code=2).stderr


def test_weights_go_to_ours_and_back_unchanged(run, cases, safetensors, tmp_path):
    case = safetensors(cases / "clean_attention_normalize.safetensors")
    authors = {n.removeprefix("weight/"): t for n, t in case.tensors.items() if n.startswith("weight/")}
    config = case.metadata["config"]
    case.tensors, case.metadata = authors, {"config": config}
    case.write(tmp_path / "authors.safetensors")
    assert "they fit" in run("convert", "egnn", "authors.safetensors", "ours.safetensors").stdout
    run("convert", "egnn", "ours.safetensors", "back.safetensors", "--to", "authors")
    assert safetensors(tmp_path / "back.safetensors").tensors == authors


def test_weights_of_another_model_are_refused(run, cases):
    error = run("convert", "egnn", cases / "clean_basic.safetensors", "x.safetensors", "--set", "dim=17", code=2).stderr
    assert "wrong shape" in error
    assert "unknown key" in run("convert", "egnn", cases / "clean_basic.safetensors", "x.safetensors",
                                "--set", "dimm=17", code=2).stderr
    run("convert", "egnn", "weights.h5", "x.safetensors", code=4)


def test_a_pytorch_checkpoint_is_read_without_running_it(run, cases, safetensors, tmp_path):
    torch = pytest.importorskip("torch")
    case = safetensors(cases / "clean_basic.safetensors")
    weights = {}
    for name, (dtype, shape, data) in case.tensors.items():
        if name.startswith("weight/"):
            assert dtype == "F64"
            weights["module." + name.removeprefix("weight/")] = \
                torch.frombuffer(bytearray(data), dtype=torch.float64).reshape(shape)
    torch.save({"epoch": 3, "state_dict": weights}, tmp_path / "checkpoint.pt")
    done = run("convert", "egnn", "checkpoint.pt", "ours.safetensors")
    assert "weights_only=True" in done.stderr
    ours = safetensors(tmp_path / "ours.safetensors").tensors
    assert ours == {n.removeprefix("weight/"): t for n, t in case.tensors.items() if n.startswith("weight/")}

    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"state_dict": Hostile()}, tmp_path / "hostile.pt")
    run("convert", "egnn", "hostile.pt", "x.safetensors", code=3)
    assert not (tmp_path / "ran").exists()
