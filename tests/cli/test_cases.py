"""`case check` and `case run`."""

import json
import os
import struct
from pathlib import Path

import pytest


def names(path, safetensors):
    return set(safetensors(path).tensors)


def test_the_repositorys_cases_hold(run, cases):
    files = sorted(cases.glob("*.safetensors"))
    done = run("case", "check", *files, "--quiet", "--threads", "1")
    assert done.stdout.count("\n") == len(files) and "FAIL" not in done.stdout


def test_a_line_for_each_tensor_and_one_for_the_file(run, cases, safetensors):
    case = cases / "clean_basic.safetensors"
    lines = run("case", "check", case).stdout.splitlines()
    recorded = [n for n in names(case, safetensors) if n.startswith(("output/", "grad/", "grad_input/"))]
    assert len(lines) == len(recorded) + 1
    assert "output/x" in "\n".join(lines) and "egnn/clean_basic (forward)" in lines[-1]
    report, = json.loads(run("case", "check", case, "--json").stdout)
    assert report["holds"] and len(report["tensors"]) == len(recorded)


def test_a_changed_result_does_not_hold(run, cases, safetensors, tmp_path):
    case = safetensors(cases / "clean_basic.safetensors")
    dtype, shape, data = case.tensors["output/x"]
    value, = struct.unpack("<d", data[:8])
    case.tensors["output/x"] = dtype, shape, struct.pack("<d", value + 1e-6) + data[8:]
    done = run("case", "check", case.write(tmp_path / "changed.safetensors"), code=1)
    assert [line for line in done.stdout.splitlines() if line.startswith("  FAIL output/x ")]
    assert "1 of" in done.stdout


@pytest.mark.parametrize("change, reason", [("shape", "instead of"), ("name", "missing")])
def test_a_result_of_another_shape_or_name_does_not_hold(run, cases, safetensors, tmp_path, change, reason):
    case = safetensors(cases / "ae_noise_gnn.safetensors")
    dtype, shape, data = case.tensors["output/bce"]
    assert shape == []
    if change == "shape":
        case.tensors["output/bce"] = dtype, [1], data
    else:
        case.tensors["output/other"] = dtype, shape, data
    assert reason in run("case", "check", case.write(tmp_path / "x.safetensors"), code=1).stdout


def test_a_damaged_file_is_refused_and_the_others_are_run(run, cases, tmp_path):
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes((cases / "clean_basic.safetensors").read_bytes()[:-8])
    done = run("case", "check", damaged, cases / "nbody_radial_field.safetensors", "--quiet", code=3)
    assert "damaged.safetensors" in done.stderr and "nbody_radial_field" in done.stdout


def test_a_failure_of_another_kind_does_not_end_the_others(run, cases, safetensors, tmp_path):
    case = safetensors(cases / "ae_datasets.safetensors")
    case.metadata["config"] = "{}"  # the procedure's argument is missing
    without = case.write(tmp_path / "without.safetensors")
    done = run("case", "check", without, cases / "nbody_radial_field.safetensors", "--quiet", code=70)
    assert "without.safetensors" in done.stderr and "datasets" in done.stderr
    assert "nbody_radial_field" in done.stdout


def test_an_input_that_nothing_depends_on_has_the_gradient_zero(run, cases, safetensors, tmp_path):
    case = safetensors(cases.parent / "gfnn" / "grid2d_linear.safetensors")
    config = json.loads(case.metadata["config"])
    case.metadata["config"] = json.dumps({**config, "interpolation": "nearest"})
    case.drop("output/", "grad/", "grad_input/", "cotangent/node_weights")
    run("case", "run", case.write(tmp_path / "nearest.safetensors"), "--out", "result.safetensors")
    dtype, shape, data = safetensors(tmp_path / "result.safetensors").tensors["grad_input/g"]
    assert shape == case.tensors["input/g"][1] and not any(data)


@pytest.mark.parametrize("metadata, code, hint", [
    ({"system": None}, 3, '"system"'),
    ({"kind": None}, 3, '"kind"'),
    ({"config": "[1"}, 3, '"config"'),
    ({"atol": "much"}, 3, '"atol"'),
    ({"system": "egnm"}, 4, 'Did you mean "egnn"?'),
    ({"kind": "dream"}, 4, "forward, trace or procedure"),
    ({"config": json.dumps({"architecture": "egnn", "hiden": 3})}, 2, 'unknown key "hiden"'),
])
def test_wrong_metadata_is_refused(run, cases, safetensors, tmp_path, metadata, code, hint):
    case = safetensors(cases / "clean_basic.safetensors")
    for key, value in metadata.items():
        case.metadata.pop(key) if value is None else case.metadata.update({key: value})
    assert hint in run("case", "check", case.write(tmp_path / "x.safetensors"), code=code).stderr


def test_what_is_not_there_is_an_input_error(run):
    assert "nowhere" in run("case", "check", "nowhere.safetensors", code=5).stderr


@pytest.mark.parametrize("name", ["clean_attention_normalize", "ae_egnn_trace", "ae_noise_gnn", "nbody_simulator",
                                  "ae_datasets", "qm9_preprocess", "init_from_seed"])
def test_case_run_needs_no_recorded_result(run, cases, safetensors, tmp_path, name):
    original = cases / f"{name}.safetensors"
    stripped = safetensors(original)
    stripped.drop("output/", "grad/", "grad_input/")
    for remark in ("note", "source", "rtol", "atol"):
        stripped.metadata.pop(remark, None)
    out = tmp_path / "out.safetensors"
    run("case", "run", stripped.write(tmp_path / "stripped.safetensors"), "--out", out)

    computed, recorded = safetensors(out), safetensors(original)
    for tensor, (dtype, shape, _) in recorded.tensors.items():
        if tensor.startswith(("output/", "grad/", "grad_input/")):
            assert computed.tensors[tensor][:2] == (dtype, shape), tensor
    # The comparison itself: what was computed, recorded in a case of the same inputs.
    again = safetensors(original)
    again.drop("output/", "grad/", "grad_input/")
    again.tensors.update(computed.tensors)
    run("case", "check", again.write(tmp_path / "again.safetensors"), "--quiet")


def test_nothing_recorded_does_not_hold(run, cases, safetensors, tmp_path):
    case = safetensors(cases / "clean_basic.safetensors")
    case.drop("output/", "grad/", "grad_input/")
    assert "records no result" in run("case", "check", case.write(tmp_path / "x.safetensors"), code=1).stdout


def test_case_run_asks_for_its_output(run, cases):
    assert "--out" in run("case", "run", cases / "clean_basic.safetensors", code=2).stderr


def test_the_larger_cases_hold(run):
    folder = os.environ.get("TESSERA_CASES")
    if not folder:
        pytest.skip("TESSERA_CASES is not set")
    run("case", "check", *sorted(Path(folder).glob("egnn/*.safetensors")), "--quiet")
