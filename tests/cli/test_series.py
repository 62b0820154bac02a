"""Series from training to prediction: made-up ones, and files as they are published."""

import json
import struct
import zipfile

import pytest


def write_series(path, count, steps, channels):
    """A safetensors file with x (count, steps, channels), a ramp."""
    values = [(i % 7) / 7 for i in range(count * steps * channels)]
    body = struct.pack(f"<{len(values)}f", *values)
    header = json.dumps({"x": {"dtype": "F32", "shape": [count, steps, channels],
                               "data_offsets": [0, len(body)]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + body)


def shape_of(path, name):
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8:8 + size])[name]["shape"]


@pytest.mark.parametrize("recipe, channels, metric, answers", [
    ("eigenworms_generated", 6, "accuracy", 5), ("bidmc_generated", 2, "rmse", 1)])
def test_generated_series_are_trained_on_evaluated_and_predicted(
        run, tmp_path, recipe, channels, metric, answers):
    run("train", f"unicornn/{recipe}", "--out", "run", "--set", "train.steps=3",
        "--set", "task.length=300", "--set", "task.size=40")
    assert f"  {metric} " in run("eval", "run").stdout
    write_series(tmp_path / "in.safetensors", 3, 500, channels)
    run("predict", "run", "--input", "in.safetensors", "--output", "out.safetensors")
    assert shape_of(tmp_path / "out.safetensors", "logits") == [3, answers]


def worms(count):
    lines = ["@problemName EigenWorms", "@dimensions 6", "@classLabel true 1 2 3 4 5", "@data"]
    for n in range(count):
        channels = [",".join(str(n + c + t / 10) for t in range(20)) for c in range(6)]
        lines.append(":".join(channels) + f":{n % 5 + 1}")
    return "\n".join(lines) + "\n"


def test_the_published_archive_is_read_as_it_comes(run, tmp_path):
    folder = tmp_path / "data" / "eigenworms"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "EigenWorms.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("EigenWorms.txt", "a description")
        archive.writestr("EigenWorms_TRAIN.ts", worms(12))
        archive.writestr("EigenWorms_TEST.ts", worms(8))
    run("train", "unicornn/eigenworms", "--data", "data", "--out", "run",
        "--set", "train.steps=2", "--set", "task.split=files")
    assert "(8 examples, float32)" in run("eval", "run", "--data", "data").stdout


def test_a_damaged_file_is_named(run, tmp_path):
    folder = tmp_path / "data" / "eigenworms"
    folder.mkdir(parents=True)
    (folder / "EigenWorms_TRAIN.ts").write_text(worms(12) + "1,2:3\n")
    (folder / "EigenWorms_TEST.ts").write_text(worms(8))
    error = run("train", "unicornn/eigenworms", "--data", "data", "--out", "run", code=3).stderr
    assert "EigenWorms_TRAIN.ts: line 17: " in error


def test_without_the_data_the_error_says_how_to_get_them(run):
    error = run("train", "unicornn/bidmc_rr", "--data", "nowhere", "--out", "run", code=5).stderr
    assert "tessera data get unicornn/bidmc" in error and 'task.source = "generated"' in error
