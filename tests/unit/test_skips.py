"""In CI a test may skip only for a reason that is listed; anywhere else for any."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import skips

SKIPPING = """
import pytest

def test_for_want_of_a_tool():
    pytest.skip("no such tool")

@pytest.mark.skipif(True, reason="no such tool")
def test_by_a_mark(): ...

@pytest.mark.skipif(True, reason="../shared is absent")
def test_for_a_listed_reason(): ...

@pytest.mark.xfail
def test_known_to_fail():
    assert False
"""


def outcomes(folder: Path, ci: str) -> str:
    """The last line of a run, without the seconds."""
    (folder / "test_skipping.py").write_text(SKIPPING)
    (folder / "test_gone.py").write_text("import pytest\npytest.importorskip('no_such_module')")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.skips", "-p", "no:cacheprovider"]
    command += ["-c", os.devnull, "--rootdir", str(folder), "--continue-on-collection-errors", str(folder)]
    environment = os.environ | {"CI": ci, "PYTHONPATH": str(Path(__file__).parents[2])}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    return re.sub(r" in .*", "", ran.stdout.splitlines()[-1])


def test_in_ci_only_a_listed_reason_is_a_skip(tmp_path: Path) -> None:
    assert outcomes(tmp_path, "true") == "1 failed, 1 skipped, 1 xfailed, 2 errors"


def test_elsewhere_any_reason_is(tmp_path: Path) -> None:
    assert outcomes(tmp_path, "") == "4 skipped, 1 xfailed"


def test_our_list_says_why() -> None:
    assert "../shared is absent" in skips.allowed(skips.ALLOWED.read_text())
    with pytest.raises(ValueError, match="no such tool"):
        skips.allowed("no such tool\n")
