"""Help, exit codes, completions and the manual page: what the table of verbs generates."""

import json
import re
import shutil
import subprocess

import pytest

VERBS = ["list", "info network", "info", "train", "sparsify", "eval", "predict", "reproduce", "bench",
         "case check", "case run", "convert", "export", "zoo merge", "snn convert", "data list", "data get", "data check",
         "runs list", "runs show",
         "runs compare", "doctor", "completions", "man", "version"]


def test_the_table_holds_these_verbs_and_no_others(run):
    """The command line is an interface: this list changes with the documentation."""
    block = run("--help").stdout.split("OPTIONS]\n\n")[1].split("\n\n")[0]
    assert [re.match(r"  (\S+( \S+)?)(  |$)", line).group(1) for line in block.splitlines()
            if not line.startswith("   ")] == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(run, verb):
    text = run(*verb.split(), "--help").stdout
    assert f"Usage: tessera {verb}" in text and "--help" in text
    assert run("help", *verb.split()).stdout == text


def test_a_group_lists_its_verbs(run):
    assert "case check" in run("case", "--help").stdout
    assert "case run" in run("case", code=2).stderr


def test_without_a_verb_the_overview_goes_to_standard_error(run):
    done = run(code=2)
    assert done.stdout == "" and "Usage" in done.stderr


@pytest.mark.parametrize("words, hint", [
    (["trian"], 'Did you mean "train"?'),
    (["case", "chek"], 'Did you mean "case check"?'),
    (["list", "--jsn"], 'Did you mean "--json"?'),
    (["info"], "Usage: tessera info SYSTEM"),
    (["info", "egnm"], 'Did you mean "egnn"?'),
    (["info", "network", "resnt18"], 'Did you mean "resnet18"?'),
    (["info", "network", "coral", "--bytes", "two"], "--bytes is a number above 0"),
    (["info", "network", "coral", "--fold", "0"], "--fold"),
    (["train"], "RECIPE or --resume RUN"),
    (["doctor", "--threads", "two"], "--threads is an integer"),
    (["doctor", "--threads"], "--threads takes a value"),
    (["reproduce", "--scale", "huge"], "quick, cpu, paper"),
    (["completions", "bsh"], 'Did you mean "bash"?'),
    (["doctor", "please"], "takes nothing"),
])
def test_a_wrong_word_is_refused_with_the_next_step(run, words, hint):
    done = run(*words, code=2)
    assert hint in done.stderr and done.stdout == ""
    assert done.stderr.count("\n") == 1


def test_info_network_counts_as_the_calculators_of_folded_cnns(run):
    assert "lol/goldnumber-fraction" in run("info", "network").stdout
    for fold, intensity in [("1", 87.33), ("2", 126.73), ("4", 187.79)]:
        shown = json.loads(run("info", "network", "lol/goldnumber-fraction", "--fold", fold,
                               "--json").stdout)
        assert abs(shown["intensity"] - intensity) < 0.01
        assert shown["images_per_input"] == int(fold)
    table = run("info", "network", "resnet50").stdout
    assert "layer4.2.add" in table and "25557032 parameters" in table


def test_list_and_info_are_read_by_programs(run):
    systems = json.loads(run("list", "--json").stdout)
    assert "egnn" in [system["name"] for system in systems]
    info = json.loads(run("info", "egnn", "--json").stdout)
    keys = {field["name"]: field for field in info["model"]}
    assert keys["dim"]["default"] == "64" and keys["dim"]["help"]
    assert "egnn/nbody" in info["recipes"] and "clean_basic" in info["cases"]
    assert {"simulate", "graph_datasets"} <= {p["name"] for p in info["procedures"]}
    assert json.loads(run("info", "recipe", "--json").stdout)["train"]


def test_list_takes_wildcards(run):
    assert "egnn" in run("list", "eg*").stdout
    run("list", "nothing*", code=2)


def test_doctor_says_what_it_runs_on(run):
    facts = json.loads(run("doctor", "--json", "--threads", "1").stdout)
    assert facts["threads in use"] == "1" and facts["kernels run with"] in ("AVX512", "AVX2", "DEFAULT")
    assert "tessera" in run("doctor").stdout
    assert re.match(r"tessera \d+\.\d+\.\d+ \(torch ", run("--version").stdout)


def test_a_reader_that_goes_away_is_no_error(tessera):
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {tessera} info egnn | head -1"],
                          capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""


def test_a_full_disk_is_an_error(tessera):
    with open("/dev/full", "w") as full:
        done = subprocess.run([str(tessera), "list"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 5 and "cannot write" in done.stderr


@pytest.mark.parametrize("shell, check", [("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]),
                                          ("fish", ["fish", "--no-execute"])])
def test_completions_are_valid_and_name_every_verb(run, tmp_path, shell, check):
    script = tmp_path / "completions"
    script.write_text(run("completions", shell).stdout)
    for verb in VERBS:
        assert all(word in script.read_text() for word in verb.split())
    if shutil.which(check[0]) is None:
        pytest.skip(f"{check[0]} is not installed")
    subprocess.run([*check, script], check=True)


@pytest.mark.parametrize("words, expected, other", [
    (["tra"], "train", "eval"),
    (["case", ""], "check", "train"),
    (["train", "egnn/nb"], "egnn/nbody", "egnn/community"),
    (["reproduce", "--scale", ""], "quick", "--out"),
    (["bench", "--"], "--peers", "--worker"),
])
def test_bash_offers_what_fits(run, tmp_path, words, expected, other):
    script = tmp_path / "completions"
    script.write_text(run("completions", "bash").stdout)
    line = " ".join(f"'{word}'" for word in ["tessera", *words])
    shell = f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _tessera; " \
            'printf "%s\\n" "${COMPREPLY[@]}"'
    offered = subprocess.run(["bash", "-c", shell], capture_output=True, text=True).stdout.split("\n")
    assert expected in offered and other not in offered


def test_the_manual_page_has_every_verb(run, tmp_path):
    page = run("man").stdout
    for verb in VERBS:
        assert f".SS {verb}" in page
    if shutil.which("groff"):
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww"], input=page, capture_output=True, text=True)
        assert done.returncode == 0 and done.stderr == ""
