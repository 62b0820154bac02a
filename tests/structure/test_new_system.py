"""What dev/new_system.py writes compiles and is found by every verb: one line registers a system."""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "release"
NAME = "fourteenth"


def call(*command, code=0, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A tree with the list of systems, to which the new one is added."""
    root = tmp_path_factory.mktemp("tree")
    (root / "tessera" / "systems").mkdir(parents=True)
    shutil.copy(ROOT / "tessera/systems/all.cpp", root / "tessera/systems")
    shutil.copy(ROOT / ".clang-format", root)
    call(sys.executable, ROOT / "dev/new_system.py", NAME, "--root", root)
    return root


@pytest.fixture(scope="module")
def compiler():
    """The command that compiles a file of the command line, without its files."""
    if not (BUILD / "compile_commands.json").exists():
        pytest.skip(f"{BUILD} is not built")
    entries = json.loads((BUILD / "compile_commands.json").read_text())
    command = next(e["command"] for e in entries if "-o CMakeFiles/tessera.dir/" in e["command"])
    return re.sub(r" -o \S+ -c \S+$| -M[TF] \S+| -MD", "", command)


@pytest.fixture(scope="module")
def libraries(tree, compiler):
    """A library with the new system, whose list of systems goes before that of the built one, and a copy of
    the built one, beside which the new recipes lie."""
    folder = tree / "tessera" / "systems"
    sources = [folder / "all.cpp", *(p for p in sorted((folder / NAME).glob("*.cpp")) if not p.stem.endswith("_test"))]
    (tree / "all_at_once.cpp").write_text("".join(f'#include "{path}"\n' for path in sources))
    (tree / "lib").mkdir()
    built = shutil.copy((BUILD / "lib" / "libtessera.so.0").resolve(), tree / "lib" / "libtessera.so.0")
    call("sh", "-c", f"{compiler} -I{tree} -shared -o {tree}/lib/libnew.so {tree}/all_at_once.cpp {built}", cwd=BUILD)
    return tree / "lib" / "libnew.so", Path(built)


@pytest.fixture
def environment(libraries, tmp_path):
    return dict(os.environ, LD_PRELOAD=" ".join(map(str, libraries)), XDG_STATE_HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))


@pytest.fixture
def tessera(environment, tmp_path):
    def run(*words):
        return call(BUILD / "bin" / "tessera", *words, cwd=tmp_path, env=environment).stdout

    return run


def test_a_name_that_is_taken_or_no_name_is_refused(tree):
    for name, reason in ((NAME, "is there already"), ("Two-Words", "lower-case letters")):
        done = call(sys.executable, ROOT / "dev/new_system.py", name, "--root", tree, code=2)
        assert reason in done.stderr
    assert (tree / "tessera/systems/all.cpp").read_text().count(f"{NAME}::system()") == 1


def test_list_and_info_know_it(tessera):
    assert NAME in [system["name"] for system in json.loads(tessera("list", "--json"))]
    info = json.loads(tessera("info", NAME, "--json"))
    assert f"{NAME}/first" in info["recipes"]
    assert {"hidden_dim"} <= {field["name"] for field in info["model"]}


def test_it_trains_evaluates_and_predicts(tessera, tmp_path, safetensors, cases):
    tessera("train", f"{NAME}/first", "--out", "run", "--set", "train.epochs=2")
    assert "loss" in tessera("eval", "run")
    inputs = safetensors(cases / "clean_basic.safetensors")
    inputs.tensors = {"x": ("F32", [5, 3], bytes(60))}
    inputs.write(tmp_path / "x.safetensors")
    tessera("predict", "run", "--input", "x.safetensors", "--output", "y.safetensors")
    assert safetensors(tmp_path / "y.safetensors").tensors["y"][1] == [5, 1]


def test_its_claim_is_reproduced_and_its_workload_timed(tessera, tmp_path):
    assert f"{NAME}/first_order" in tessera("reproduce", NAME, "--out", "shown")
    result, = json.loads((tmp_path / "shown/results.json").read_text())
    assert result["holds"]
    assert "first" in tessera("bench", f"{NAME}/first")


def test_a_golden_case_of_the_authors_module_holds(tessera, tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    sys.path.insert(0, str(ROOT / "dev"))
    from make_case import write_forward

    torch.manual_seed(0)
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)).double()
    write_forward(tmp_path / "basic.safetensors", system=NAME, config={"hidden_dim": 8, "out_dim": 2}, module=theirs,
                  call=lambda x: {"y": theirs(x)}, inputs={"x": torch.randn(5, 3).double()}, source="this test")
    shown = tessera("case", "check", tmp_path / "basic.safetensors")
    for name in ("output/y", "grad/0.weight", "grad/2.bias", "grad_input/x"):
        assert f"ok   {name} " in shown


def test_python_knows_it(environment, libraries):
    program = (f"import tessera, torch; tessera.load_library({str(libraries[1])!r})\n"
               f"y = tessera.Model({NAME!r}, hidden_dim=4)(x=torch.zeros(2, 3))['y']; assert y.shape == (2, 1)")
    call(sys.executable, "-c", program, env=environment | {"PYTHONPATH": str(ROOT / "python")})


def test_its_own_tests_pass(tree, libraries, compiler, environment):
    cache = (BUILD / "CMakeCache.txt").read_text()
    torch = re.search(r"^TESSERA_TORCH_ROOT:PATH=(.*)$", cache, re.MULTILINE).group(1) + "/lib"
    source = tree / "tessera" / "systems" / NAME / f"{NAME}_test.cpp"
    libs = f"{libraries[0]} {libraries[1]} -L{torch} -ltorch_cpu -lc10 -lgtest -lgtest_main -lpthread"
    call("sh", "-c", f"{compiler} -I{tree} -o {tree}/own_tests {source} {libs} "
         f"-Wl,--disable-new-dtags,-rpath,{torch},-rpath,{tree}/lib", cwd=BUILD)
    assert "[  PASSED  ] 4 tests" in call(tree / "own_tests", env=environment).stdout
