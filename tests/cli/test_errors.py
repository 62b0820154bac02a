"""What goes wrong at a user's desk ends with one line that says so, the right exit code, and nothing lost."""

import os
import resource
import signal
import subprocess
import time

import pytest

TINY = ["egnn/cycles", "--set", "model.dim=8", "--set", "task.eval_draws=1", "--threads", "1"]
LONG = [*TINY, "--set", "train.steps=1000000", "--set", "train.checkpoint_every=5"]


def refused(done, *words):
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ["), done.stderr
    assert all(word in lines[0] for word in words), done.stderr


@pytest.mark.parametrize("value, rule", [
    ("train.lr=inf", "is a finite number"), ("train.lr=nan", "number"), ("train.batch_size=0", "≥ 1"),
    ("train.epochs=1e18", "integer"), ("train.steps=-1", "≥ 1"), ("run.prefetch=-1", "≥ 0")])
def test_absurd_values_are_refused(run, value, rule):
    refused(run("train", *TINY, "--set", value, code=2), value.split("=")[0], rule)


def test_a_training_that_diverges_is_no_bug_of_ours(run):
    """The loss of this task refuses what is not a probability before it is anything."""
    refused(run("train", *TINY, "--set", "train.steps=40", "--set", "train.lr=1e30", "--out", "run", "--quiet",
                code=2), "the loss stays finite", "Lower train.lr")


def test_what_does_not_fit_into_memory_says_so(run):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))

    refused(run("train", "egnn/nbody", "--set", "model.dim=100000", "--threads", "1", "--out", "run", "--quiet",
                code=5, preexec_fn=limit), "memory", "smaller model")


def test_more_threads_than_a_machine_has_are_refused(run, cases):
    refused(run("case", "check", cases / "clean_basic.safetensors", "--threads", "9999999999", code=2), "4096")


def test_a_run_is_a_folder(run, tmp_path):
    (tmp_path / "file").write_text("kept")
    refused(run("train", *TINY, "--out", "file", "--quiet", code=2), "a run is a folder", "--out")
    refused(run("train", *TINY, "--out", "file/run", "--quiet", code=5), "file/run", "Not a directory")
    refused(run("reproduce", "egnn", "--out", "file", "--quiet", code=5), "file", "Not a directory")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_folder_of_peers_that_is_not_there_is_refused(run):
    refused(run("bench", "egnn", "--peers", "nowhere", code=2), "nowhere")


@pytest.mark.parametrize("words", [["list"], ["show", "1"], ["compare", "1", "2"]])
def test_a_store_of_runs_that_is_not_there_is_not_made(run, tmp_path, words):
    refused(run("runs", *words, "--store", "some/where.sqlite", code=5), "some/where.sqlite", "T-STORE-04")
    assert not (tmp_path / "some").exists()


def test_data_check_without_data_says_so(run):
    assert "No data set" in run("data", "check").stdout


@pytest.fixture
def start(tessera, tmp_path):
    """Starts a verb and leaves it running; stops it at the end."""
    environment = dict(os.environ, XDG_STATE_HOME=str(tmp_path / "state"))
    started = []

    def call(*words):
        started.append(subprocess.Popen([str(tessera), *words], cwd=tmp_path, env=environment, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return started[-1]

    yield call
    for process in started:
        process.kill()
        process.communicate()


def wait_for(process, folder, pattern):
    while process.poll() is None and not list(folder.glob(pattern)):
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()


def test_a_second_process_keeps_out_of_a_run(run, start, tmp_path):
    first = start("train", *LONG, "--out", "run", "--quiet")
    wait_for(first, tmp_path, "run/checkpoints/latest")
    for words in (["train", *LONG, "--out", "run"], ["train", "--resume", "run"]):
        refused(run(*words, "--quiet", code=2), "one process at a time", "--out")
    first.send_signal(signal.SIGINT)
    out, err = first.communicate(timeout=60)
    assert first.returncode == 130 and "--resume run" in err
    run("eval", "run")  # nothing was lost


def test_an_interrupted_reproduction_says_how_to_go_on(run, start, tmp_path):
    first = start("reproduce", "egnn", "--threads", "1", "--out", "report", "--quiet")
    wait_for(first, tmp_path, "report/runs/*/metrics.jsonl")  # it is training
    refused(run("reproduce", "egnn", "--out", "report", "--quiet", code=2), "one process at a time")
    first.send_signal(signal.SIGINT)
    out, err = first.communicate(timeout=60)
    assert first.returncode == 130 and "The same command with --out report" in err


@pytest.fixture
def small_disk(tmp_path):
    """200 KiB of space; needs the right to mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "none", folder], capture_output=True)
    if done.returncode:
        pytest.skip("cannot mount a file system here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_keeps_the_last_checkpoint(run, small_disk):
    words = [*TINY, "--set", "train.steps=60", "--set", "train.checkpoint_every=2", "--set",
             "train.keep_checkpoints=0", "--out", small_disk / "run", "--quiet"]
    refused(run("train", *words, code=5), "No space left on device")
    assert list(small_disk.glob("run/checkpoints/step-*"))
    run("eval", small_disk / "run")
