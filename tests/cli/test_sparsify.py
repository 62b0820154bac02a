"""`sparsify`: rounds of pruning, of weights and of a graph's edges."""

import json

import pytest

BODIES = ["egnn/nbody", "--set", "train.epochs=1", "--set", "task.train_size=100", "--set", "task.held_out_size=20",
          "--set", "model.dim=8", "--threads", "1", "--quiet"]
WAVE = ["lmu/mackey_glass", "--set", "train.epochs=1", "--threads", "1", "--quiet"]


def rows(stdout):
    head, *rows = stdout.splitlines()
    assert head.split()[0] == "round"
    return [row.split() for row in rows]


def test_learned_masks_prune_weights_and_edges_and_the_rounds_are_models(run, tmp_path):
    done = run("sparsify", *BODIES, "--method", "ugs", "--rate", "0.5", "--edge-rate", "0.25", "--rounds", "2",
               "--out", "rounds")
    table = rows(done.stdout)
    # The threshold is one of the masks and goes with those below it, as in the authors' code.
    assert [row[1] for row in table] == ["20", "14", "10"]
    weights = [int(row[4]) for row in table]
    # Masks begin within 1e-5 of 1, where float32 has few values: some share the threshold.
    assert weights[1] == pytest.approx(weights[0] / 2, rel=0.02)
    assert weights[2] == pytest.approx(weights[0] / 4, rel=0.04)
    loss = json.loads(run("eval", tmp_path / "rounds" / "round-2", "--json").stdout)["metrics"]["loss"]
    assert loss == pytest.approx(float(table[2][-1]), rel=1e-4)


def test_rounds_that_lie_there_are_read_and_other_options_are_refused(run):
    search = ["sparsify", *BODIES, "--rounds", "1", "--out", "rounds"]
    first = run(*search).stdout
    assert run(*search).stdout == first
    assert "T-SPARSE-08" in run(*search, "--rate", "0.4", code=2).stderr


def test_a_round_goes_on_with_its_search_only(run):
    run("sparsify", *WAVE, "--rounds", "0", "--out", "rounds")
    for folder in ("rounds/round-0", "rounds/round-0/"):
        assert "tessera sparsify" in run("train", "--resume", folder, code=2).stderr


def test_weights_of_a_model_without_a_graph(run):
    table = rows(run("sparsify", *WAVE, "--method", "ugs", "--rounds", "1").stdout)
    assert int(table[1][1]) < int(table[0][1])


@pytest.mark.parametrize("options, hint", [
    (["--method", "ugs", "--edge-rate", "0.1"], "T-SPARSE-07"),
    (["--edge-rate", "0.1"], "T-SPARSE-04"),
    (["--rate", "2"], "rate"),
    (["--method", "guess"], "magnitude, ugs, random"),
])
def test_what_cannot_be_is_refused_without_a_table(run, options, hint):
    done = run("sparsify", *WAVE, "--rounds", "1", *options, code=2)
    assert hint in done.stderr and not done.stdout
