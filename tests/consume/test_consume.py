"""Other projects can use the library: through find_package after an install, and by add_subdirectory."""
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


def test_find_package_gives_a_working_library(prefix, tmp_path):
    run("cmake", "-G", "Ninja", "-S", ROOT / "tests/consume/find_package", "-B", tmp_path,
        f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Release")
    run("cmake", "--build", tmp_path)
    assert "difference" in run(tmp_path / "consumer")


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
