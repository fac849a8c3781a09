"""The tenant's command as a person runs it, against the real API on a real port."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from isthmus.cli.client import Client
from isthmus.cli.main import main
from isthmus.settings import Settings
from tests.contract.api.conftest import hub, keys, rows, token
from tests.databases import Copy
from tests.serving import served

__all__ = ["hub", "keys", "rows", "token"]


@pytest.fixture
def url(copy: Copy, keys: Mapping[str, Path]) -> Iterator[str]:
    """The API on a free port."""
    with served(Settings(database_url=copy.url, valkey_url="redis://127.0.0.1:1", **keys)) as made:  # type: ignore[arg-type]
        yield made


@pytest.fixture
def client(url: str, token: str) -> Iterator[Client]:
    """What the commands reach the API by."""
    with Client(url, token) as made:
        yield made


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        """Its output, which is nothing but JSON."""
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `isthmus` with these arguments, where there is no control plane. In this process, which starts only once."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("ISTHMUS_API", "ISTHMUS_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["isthmus", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        code, printed = ended.value.code, capsys.readouterr()
        if isinstance(code, str):  # the interpreter prints it
            return Ran(1, printed.out, f"{printed.err}{code}\n")
        return Ran(code or 0, printed.out, printed.err)

    return run


@pytest.fixture
def isthmus(url: str, token: str, offline: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same, signed in unless told otherwise."""

    def run(*arguments: object, signed_in: bool = True) -> Ran:
        for name, value in (("ISTHMUS_API", url), ("ISTHMUS_TOKEN", token)):
            monkeypatch.setenv(name, value) if signed_in else monkeypatch.delenv(name, raising=False)
        return offline(*arguments)

    return run
