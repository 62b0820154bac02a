"""Other projects can use the library: through find_package after an install, and by add_subdirectory."""
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "release"


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def cache(name):
    for line in (BUILD / "CMakeCache.txt").read_text().splitlines():
        if line.startswith(name + ":"):
            return line.split("=", 1)[1]
    pytest.fail(f"{name} is not in the build's cache")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", BUILD, "--prefix", folder)
    return folder


@pytest.fixture(scope="module")
def programs(prefix, tmp_path_factory):
    """The folder of the programs that find the installed library."""
    folder = tmp_path_factory.mktemp("programs")
    run("cmake", "-G", "Ninja", "-S", ROOT / "tests/consume/find_package", "-B", folder,
        f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Release")
    run("cmake", "--build", folder)
    return folder


def test_find_package_gives_a_working_library(programs):
    assert "difference" in run(programs / "consumer")


def test_a_games_loop_plays_a_trained_run_without_allocating(prefix, programs, tmp_path):
    run(prefix / "bin" / "tessera", "train", "gfnn/gait", "--out", tmp_path / "run",
        "--set", "train.steps=200", "--set", "task.train_size=2000", "--set", "task.valid_size=100")
    text = run(programs / "player", tmp_path / "run")
    frames, blends, allocations = (int(n) for n in re.findall(r"(?:frames|blends|allocations) (\d+)", text))
    assert (frames, allocations) == (600, 0)
    assert 100 < blends < 600


def test_the_installed_binary_finds_its_recipes(prefix, tmp_path):
    text = subprocess.run([prefix / "bin" / "tessera", "list"], capture_output=True, text=True, cwd=tmp_path)
    assert text.returncode == 0, text.stderr
    assert "egnn" in text.stdout
    recipe = subprocess.run([prefix / "bin" / "tessera", "info", "egnn"], capture_output=True, text=True, cwd=tmp_path)
    assert "egnn/nbody" in recipe.stdout


def test_add_subdirectory_configures_the_library_alone(tmp_path):
    # Configured, not built: the sources are those that this build has compiled already.
    run("cmake", "-G", "Ninja", "-S", ROOT / "tests/consume/add_subdirectory", "-B", tmp_path,
        f"-DTESSERA_SOURCE={ROOT}", f"-DTESSERA_TORCH_ROOT={cache('TESSERA_TORCH_ROOT')}",
        "-DCMAKE_BUILD_TYPE=Release")
    targets = run("ninja", "-C", tmp_path, "-t", "targets", "all")
    assert "test_core" not in targets
    assert "libtessera.so" in targets
