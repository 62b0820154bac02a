"""A training that is killed again and again ends with the bits of one that was not.

TESSERA_KILLS sets the number of kills (10); TESSERA_KILL_SEED the moments at which they come.
"""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

KILLS = int(os.environ.get("TESSERA_KILLS", "10"))
SEED = int(os.environ.get("TESSERA_KILL_SEED", "0"))
STEPS = 60

# Generated data, noise in every batch, epochs of 7 batches, a checkpoint in mid-epoch.
RECIPE = ["egnn/cycles", "--set", f"train.steps={STEPS}", "--set", "train.checkpoint_every=4",
          "--set", "train.evaluate_every_steps=10", "--set", "model.dim=16",
          "--set", "task.eval_draws=1", "--set", "run.threads=1"]


@pytest.fixture(scope="module")
def train(tessera):
    """Starts a training and leaves it running."""
    def start(*arguments):
        return subprocess.Popen([str(tessera), "train", *map(str, arguments)],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return start


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def finish(process, seconds=120):
    output, _ = process.communicate(timeout=seconds)
    return process.returncode, output


def go_on(run: Path):
    """The arguments that start `run`, or go on with it where it has got as far as a config."""
    return ["--resume", run] if (run / "config.toml").exists() else [*RECIPE, "--out", run]


def last_model(run: Path) -> bytes:
    return (run / "checkpoints" / f"step-{STEPS}" / "model.safetensors").read_bytes()


def metric_lines(run: Path):
    """The lines of metrics.jsonl without what the clock says."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        line.pop("seconds")
    return lines


@pytest.fixture(scope="module")
def uninterrupted(train, tmp_path_factory):
    run = tmp_path_factory.mktemp("uninterrupted") / "run"
    code, output = finish(train(*RECIPE, "--out", run))
    assert code == 0, output
    return run


@pytest.fixture(scope="module")
def longest(train, uninterrupted):
    """Seconds within which a kill comes at any moment of starting up, training and writing."""
    begin = time.monotonic()
    finish(train("--resume", uninterrupted))
    last = json.loads((uninterrupted / "metrics.jsonl").read_text().splitlines()[-1])
    return time.monotonic() - begin + last["seconds"]


def test_killed_at_random_moments_and_resumed_the_end_is_bit_equal(train, uninterrupted, longest,
                                                                    tmp_path):
    rng = random.Random(SEED)
    kills = runs = 0
    while kills < KILLS:
        run = tmp_path / f"run-{runs}"
        runs += 1
        while True:
            process = train(*go_on(run))
            moment = rng.uniform(0, longest)
            try:
                code, output = finish(process, moment if kills < KILLS else 120)
                assert code == 0, f"seed {SEED}, after {kills} kills: {output}"
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
        assert last_model(run) == last_model(uninterrupted), f"seed {SEED}, {run}"
        assert metric_lines(run) == metric_lines(uninterrupted), f"seed {SEED}, {run}"


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint_and_says_how_to_go_on(train, uninterrupted, tmp_path, which):
    run = tmp_path / "run"
    process = train(*RECIPE, "--set", "train.steps=100000", "--out", run)
    while process.poll() is None and not list(run.glob("checkpoints/step-*")):
        time.sleep(0.01)
    process.send_signal(which)
    code, output = finish(process)
    assert code == 128 + which, output
    assert f"tessera train --resume {run}" in output
    assert (run / "checkpoints" / "latest").exists()


def test_the_rules_of_out_and_resume(train, uninterrupted, tmp_path):
    code, output = finish(train(*RECIPE, "--out", uninterrupted))
    assert code == 2 and "--resume" in output and "--out" in output

    before = (uninterrupted / "metrics.jsonl").read_bytes()
    code, output = finish(train("--resume", uninterrupted))
    assert code == 0, output
    assert (uninterrupted / "metrics.jsonl").read_bytes() == before

    code, output = finish(train("--resume", uninterrupted, "--set", "train.lr=0.5"))
    assert code == 2 and "/train/lr" in output

    # A folder in which nothing is whole is started over, with --out and with --resume.
    run = tmp_path / "run"
    run.mkdir()
    (run / "metrics.jsonl").write_text('{"step": 3}\n{"st')
    code, output = finish(train(*RECIPE, "--out", run))
    assert code == 0, output
    assert last_model(run) == last_model(uninterrupted)

    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "config.toml").write_bytes((run / "config.toml").read_bytes())
    code, output = finish(train("--resume", fresh))
    assert code == 0, output
    assert last_model(fresh) == last_model(uninterrupted)


def test_a_damaged_checkpoint_is_refused_by_name(train, uninterrupted, tmp_path):
    run = tmp_path / "run"
    code, output = finish(train(*RECIPE, "--out", run))
    assert code == 0, output
    damaged = run / "checkpoints" / f"step-{STEPS}" / "state.safetensors"
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    code, output = finish(train("--resume", run))
    assert code == 3
    assert f"step-{STEPS}/state.safetensors" in output and f"step-{STEPS - 4}" in output
