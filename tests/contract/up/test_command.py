"""The `isthmus` command: lists everything, at once, and says what is wrong in a line instead of a traceback."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from isthmus import cli
from isthmus.embedded.installation import environment

HELP_SECONDS = 0.5


def _isthmus(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "isthmus.cli.main", *arguments]
    wide = {"COLUMNS": "200", "TERM": "dumb"}
    return subprocess.run(command, capture_output=True, text=True, env=environment() | wide | env, check=False)


def test_help_lists_the_commands_of_every_module() -> None:
    said = _isthmus("--help").stdout
    for command in ("up", "demo", "api", "worker", "beat", "relay", "hub", "migrate", "sample-app", "apply", "cluster"):
        assert f" {command} " in said, command
    assert "Exit codes" in said


def test_help_imports_nothing_heavy() -> None:
    """By what is imported, because by the clock a busy machine would decide; of the clock, the best of three."""
    heavy = ("sqlalchemy", "fastapi", "celery", "grpc", "httpx", "pydantic", "envoy")
    script = "import sys; from isthmus.cli.main import create; create()\n"
    script += f"print([m for m in {heavy} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said == "[]\n"
    assert min(_seconds() for _ in range(3)) < 2 * HELP_SECONDS


def _seconds() -> float:
    begin = time.monotonic()
    _isthmus("--help")
    return time.monotonic() - begin


@pytest.mark.parametrize("process", ["api", "worker", "beat", "relay", "hub", "migrate"])
def test_a_process_names_every_setting_it_lacks_and_ends_with_1(process: str) -> None:
    done = _isthmus(process, ISTHMUS_DATABSE_URL="x")
    assert done.returncode == 1
    assert "/database_url: must be set" in done.stderr
    assert "/databse_url: there is no such setting" in done.stderr
    assert ("/hub_name: is needed" in done.stderr) == (process == "hub")
    assert "Traceback" not in done.stderr


def test_each_module_of_the_folder_with_a_register_is_found() -> None:
    names = {p.stem for p in Path(cli.__path__[0]).glob("*.py") if "\ndef register(" in p.read_text()}
    assert {"up", "demo", "processes", "sample_app"} <= names


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--port-base", "64000"), "port base must be in"),
        (("--region", "here"), "not a region name"),
        (("--region", "us-east-1", "--region", "us-east-1"), "each once"),
    ],
    ids=["a base out of range", "no region", "a region twice"],
)
def test_up_refuses_what_cannot_be_before_anything_starts(options: tuple[str, ...], reason: str, short: Path) -> None:
    done = _isthmus("up", "--data-dir", str(short / "data"), *options)
    assert done.returncode == 1
    assert reason in done.stderr
    assert not (short / "data" / "postgres").exists()
