"""Shared by all pytest files: the binary under test, and where cases and data lie."""

import json
import os
import struct
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def tessera():
    """Path of the binary: TESSERA_BINARY, or the release build's."""
    binary = Path(os.environ.get("TESSERA_BINARY", ROOT / "build" / "release" / "bin" / "tessera"))
    if not binary.exists():
        pytest.skip(f"{binary} is not built")
    return binary


@pytest.fixture
def run(tessera, tmp_path):
    """Runs the binary in an empty folder with state and cache of its own."""
    environment = dict(os.environ, XDG_STATE_HOME=str(tmp_path / "state"),
                       XDG_CACHE_HOME=str(tmp_path / "cache"))

    def call(*arguments, code=0, **options):
        done = subprocess.run([str(tessera), *map(str, arguments)], cwd=tmp_path, env=environment,
                              capture_output=True, text=True, timeout=300, **options)
        assert done.returncode == code, f"{done.args}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    return call


@pytest.fixture(scope="session")
def cases():
    """The repository's cases of EGNN."""
    return ROOT / "tests" / "cases" / "egnn"


class Safetensors:
    """A safetensors file as header entries and bytes: enough to change one without numpy."""

    def __init__(self, path):
        data = Path(path).read_bytes()
        (size,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8:8 + size])
        self.metadata = header.pop("__metadata__", {})
        body = data[8 + size:]
        self.tensors = {name: (entry["dtype"], entry["shape"], body[slice(*entry["data_offsets"])])
                        for name, entry in header.items()}

    def drop(self, *prefixes):
        self.tensors = {n: t for n, t in self.tensors.items() if not n.startswith(prefixes)}

    def write(self, path):
        header, body = {"__metadata__": self.metadata}, b""
        for name, (dtype, shape, data) in self.tensors.items():
            header[name] = {"dtype": dtype, "shape": shape,
                            "data_offsets": [len(body), len(body) + len(data)]}
            body += data
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        Path(path).write_bytes(struct.pack("<Q", len(text)) + text + body)
        return Path(path)


@pytest.fixture(scope="session")
def safetensors():
    return Safetensors
