"""`isthmus up`: one command from nothing to an API that answers, and again on the same data whatever happened to it."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.up.whole import Up
from tests.until import until


@pytest.fixture
def up(short: Path) -> Iterator[Up]:
    made = Up(short)
    yield made
    if made.process and made.process.poll() is None:
        made.end(signal.SIGKILL)


def _meshes(said: dict[str, Any]) -> httpx.Response:
    return httpx.get(f"{said['api']}/v1/meshes", headers={"Authorization": f"Bearer {said['token']}"})


def test_a_life_ready_then_killed_9_then_ready_on_the_same_data_then_stopped(up: Up) -> None:
    first = up.start()
    assert set(first) == {"api", "hub", "console", "org", "token", "aws"}
    assert set(first["aws"]) == {"access_key_id", "secret_access_key", "region", "account_id"}
    assert first["aws"]["region"] == "us-east-1"
    assert up.ready_file.stat().st_mode & 0o777 == 0o600
    assert _meshes(first).status_code == 200
    assert httpx.get(first["console"]).status_code == 200
    assert len(first["hub"].split(",")) == 2
    for address in first["hub"].split(","):
        socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))).close()
    mesh = {"kind": "Mesh", "name": "kept", "spec": {}, "resources": []}
    bearer = {"Authorization": f"Bearer {first['token']}", "If-None-Match": "*"}
    assert httpx.put(f"{first['api']}/v1/meshes/kept", json=mesh, headers=bearer).status_code == 201

    up.end(signal.SIGKILL)
    again = up.start()
    assert again == first, "tokens, keys and addresses are those of the first start"
    assert [m["name"] for m in _meshes(again).json()["items"]] == ["kept"]

    said = up.end(signal.SIGTERM)
    assert up.process is not None
    assert up.process.returncode == 0, said
    assert "stopped" in said
    assert not up.ready_file.exists(), "a ready file would say that something answers"


def test_a_process_that_dies_is_back_and_a_second_up_on_the_data_is_refused(up: Up) -> None:
    said = up.start()
    second = up.run()
    refusal, _ = second.communicate(timeout=30)
    assert second.returncode == 1
    assert f"in use by another isthmus, process {_pid(up)}" in refusal
    assert "Traceback" not in refusal

    os.kill(_child(_pid(up), "api"), signal.SIGKILL)
    until(lambda: not _answers(said))
    until(lambda: _answers(said), 30)
    assert "api ended (SIGKILL); starting again in 0.1 s" in up.end(signal.SIGINT)


def test_a_taken_port_is_named_before_anything_starts(up: Up) -> None:
    with socket.create_server(("127.0.0.1", up.base + 10)):
        process = up.run()
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"port {up.base + 10} is taken by process {os.getpid()}" in said
    assert not (up.root / "data" / "postgres").exists()


def _answers(said: dict[str, Any]) -> bool:
    try:
        return _meshes(said).status_code == 200
    except httpx.TransportError:
        return False


def _pid(up: Up) -> int:
    assert up.process is not None
    return up.process.pid


def _child(parent: int, command: str) -> int:
    """The child of a process whose command line ends with `command`."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    lines = {int(pid): Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1] for pid in children}
    return next(pid for pid, line in lines.items() if line[-1] == command)
