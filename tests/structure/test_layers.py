"""The layer rules of CONTRIBUTING.md, read off the include lines."""
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# layer → the layers its files may include besides their own.
ALLOWED = {
    "core": set(),
    "io": {"core"},
    "ops": {"core"},
    "dist": {"core"},
    "data": {"io", "core"},
    "nn": {"ops", "core"},
    "systems": {"nn", "ops", "data", "io", "core"},
    "export": {"systems", "nn", "ops", "io", "core"},
    "train": {"systems", "nn", "ops", "data", "dist", "io", "core"},
    "cases": {"train", "systems", "nn", "ops", "data", "io", "core"},
    "report": {"train", "systems", "nn", "ops", "data", "io", "core"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
# The parsers build without torch, so that a fuzz build is small; these files are the bridge.
TORCH_IN_IO = {"tensor_file.h", "tensor_file.cpp", "tensor_file_test.cpp"}


def sources(folder):
    return [p for p in folder.rglob("*") if p.suffix in (".h", ".cpp", ".cu", ".cuh")]


def test_no_include_points_upward():
    upward = []
    for layer, allowed in ALLOWED.items():
        for path in sources(ROOT / "tessera" / layer):
            for include in INCLUDE.findall(path.read_text()):
                target = include.split("/")[1] if include.startswith("tessera/") else None
                if target is not None and target != layer and target not in allowed:
                    upward.append(f"{path.relative_to(ROOT)} includes {include}")
                if include.startswith(("cli/", "bench/")):
                    upward.append(f"{path.relative_to(ROOT)} includes {include}")
    assert not upward, "\n".join(upward)


def test_every_folder_of_the_library_is_a_known_layer():
    folders = {p.name for p in (ROOT / "tessera").iterdir() if p.is_dir()}
    assert folders <= set(ALLOWED)


def test_a_system_never_includes_another():
    systems = [p for p in (ROOT / "tessera" / "systems").iterdir() if p.is_dir()]
    for system in systems:
        for path in sources(system):
            for include in INCLUDE.findall(path.read_text()):
                parts = include.split("/")
                if parts[:2] == ["tessera", "systems"] and len(parts) > 3:
                    assert parts[2] == system.name, f"{path.relative_to(ROOT)} includes {include}"


def test_parsers_include_no_torch_header():
    torch = re.compile(r"#\s*include\s+<(ATen|c10|torch)/")
    for path in sources(ROOT / "tessera" / "io"):
        if path.name not in TORCH_IN_IO:
            assert not torch.search(path.read_text()), path.relative_to(ROOT)


def test_every_header_is_included_once_by_pragma():
    for path in sources(ROOT / "tessera"):
        if path.suffix == ".h":
            assert "#pragma once" in path.read_text(), path.relative_to(ROOT)


def test_no_file_is_larger_than_one_mebibyte():
    """Of the repository and of what could be added to it: reports and runs lie here too, ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    files = [ROOT / name for name in names if name and (ROOT / name).is_file()]
    assert len(files) > 100
    for path in files:
        assert path.stat().st_size <= 1 << 20, path.relative_to(ROOT)
