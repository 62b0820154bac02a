import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


@pytest.fixture(scope="session", autouse=True)
def library():
    """The built operators; every test here needs them."""
    import tessera

    try:
        return tessera.load_library()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
