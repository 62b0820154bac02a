"""A motion file of one's own, from training to prediction."""

import json
import math
import struct

import pytest

LEG = """JOINT {side}Thigh {{
OFFSET {x} 0 0
CHANNELS 1 Xrotation
JOINT {side}Shin {{
OFFSET 0 -1 0
CHANNELS 3 Zrotation Xrotation Yrotation
JOINT {side}Foot {{
OFFSET 0 -1 0
CHANNELS 0
End Site {{
OFFSET 0 0 0.2
}}
}}
}}
}}
"""
# Hips, thighs and shins turn: 15 numbers of a pose.
SIZES = ("--set", "model.in_dim=17", "--set", "model.out_dim=18", "--set", "model.hidden_dims=[8]")


def walk(frames=300, rate=60):
    hips = "Xposition Yposition Zposition Zrotation Xrotation Yrotation"
    lines = ["HIERARCHY", "ROOT Hips {", "OFFSET 0 0 0", f"CHANNELS 6 {hips}",
             LEG.format(side="Left", x=0.1) + LEG.format(side="Right", x=-0.1) + "}",
             "MOTION", f"Frames: {frames}", f"Frame Time: {1 / rate}"]
    for t in range(frames):
        phase = 2 * math.pi * t / rate
        swing = 25 * math.cos(phase)
        knees = [-40 * max(math.sin(p), 0) for p in (phase, phase + math.pi)]
        numbers = [0, 2 + 0.03 * math.cos(2 * phase), 1.3 * t / rate, 0, 0, 2 * math.sin(phase),
                   swing, 0, knees[0], 0, -swing, 0, knees[1], 0]
        lines.append(" ".join(f"{n:.5f}" for n in numbers))
    return "\n".join(lines) + "\n"


def tensors(path, **named):
    header, body = {}, b""
    for name, rows in named.items():
        flat = [value for row in rows for value in row]
        data = struct.pack(f"<{len(flat)}f", *flat)
        header[name] = {"dtype": "F32", "shape": [len(rows), len(rows[0])],
                        "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def shape_of(path, name):
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8:8 + size])[name]["shape"]


@pytest.mark.parametrize("where", ["walk.bvh", "."])
def test_a_motion_file_or_a_folder_is_trained_on_evaluated_and_predicted(run, tmp_path, where):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "walk.bvh").write_text(walk())
    (folder / "again.bvh").write_text(walk(360))
    data = str(folder / where)
    run("train", "gfnn/motion", "--data", data, "--out", "run", *SIZES, "--set", "train.epochs=2")
    text = run("eval", "run", "--data", data).stdout
    assert "rmse_root" in text
    tensors(tmp_path / "in.safetensors", x=[[0.1] * 17] * 3, g=[[1.0, 0.5]] * 3)
    run("predict", "run", "--input", "in.safetensors", "--output", "out.safetensors")
    assert shape_of(tmp_path / "out.safetensors", "y") == [3, 18]


def test_the_model_of_another_skeleton_is_told_what_to_change(run, tmp_path):
    (tmp_path / "walk.bvh").write_text(walk())
    arguments = ("train", "gfnn/motion", "--data", "walk.bvh", "--out", "run")
    error = run(*arguments, code=2).stderr
    assert "x must be (B, 95), but got float32 (64, 17)" in error and "model.in_dim" in error
    error = run(*arguments, "--set", "model.in_dim=17", code=2).stderr
    assert "Set model.in_dim = 17 and model.out_dim = 18." in error


def test_a_damaged_motion_file_is_named_with_its_line(run, tmp_path):
    text = walk().replace("Frames: 300", "Frames: 301")
    (tmp_path / "walk.bvh").write_text(text)
    error = run("train", "gfnn/motion", "--data", "walk.bvh", "--out", "run", code=3).stderr
    assert f"walk.bvh: line {len(text.splitlines())}: there must be 301 frames, but got 300" in error


def test_without_a_motion_file_the_error_says_how_to_give_one(run):
    error = run("train", "gfnn/motion", "--data", "nowhere", "--out", "run", code=5).stderr
    assert "--data FILE or FOLDER" in error
