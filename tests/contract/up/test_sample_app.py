"""The sample application: says who it is and what reached it, and calls another through its sidecar."""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest

from isthmus.embedded.ports import free_base, is_free
from tests.until import until


@contextmanager
def _app(port: int, *options: str) -> Iterator[None]:
    command = [sys.executable, "-m", "isthmus.cli.main", "sample-app", "--bind", f"127.0.0.1:{port}", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        until(lambda: not is_free(port))
        yield
        process.terminate()
        _, said = process.communicate(timeout=10)
        assert (process.returncode, said) == (0, b"")


@pytest.fixture
def pair() -> Iterator[tuple[int, int]]:
    base = free_base(range(2), seed=time.monotonic_ns())
    called = ["--name", "color", "--node", "blue", "--cluster", "west", "--instance", "blue-1"]
    calling = ["--name", "front", "--call", f"http://127.0.0.1:{base}", "--host-header", "color.shop.local"]
    with ExitStack() as running:
        running.enter_context(_app(base, *called))
        running.enter_context(_app(base + 1, *calling))
        yield base, base + 1


@contextmanager
def _to(port: int) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        yield connection


def _get(connection: http.client.HTTPConnection, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    connection.request("GET", path, headers=headers or {})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_it_shows_who_it_is_and_what_reached_it(pair: tuple[int, int]) -> None:
    with _to(pair[0]) as connection:
        status, said = _get(connection, "/x", {"x-forwarded-client-cert": "URI=u"})
    assert status == 200
    assert said["headers"]["x-forwarded-client-cert"] == "URI=u"
    assert {k: said[k] for k in ("name", "node", "cluster", "instance", "path")} == {
        "name": "color", "node": "blue", "cluster": "west", "instance": "blue-1", "path": "/x",
    }  # fmt: skip


def test_it_calls_through_its_sidecar_with_the_services_name(pair: tuple[int, int]) -> None:
    with _to(pair[1]) as connection:
        status, said = _get(connection, "/", {"x-request-id": "r-1"})
    assert (status, said["name"], said["called"]["name"]) == (200, "front", "color")
    assert said["called"]["headers"]["host"] == "color.shop.local"
    assert said["called"]["headers"]["x-request-id"] == "r-1"


def test_health_does_not_depend_on_others_and_a_failing_call_is_a_502() -> None:
    base = free_base(range(2), seed=time.monotonic_ns())
    with _app(base, "--call", f"http://127.0.0.1:{base + 1}"), _to(base) as connection:
        assert _get(connection, "/ping")[0] == 200
        status, said = _get(connection, "/")
        assert status == 502
        assert "Connect" in said["error"]


def test_it_serves_more_than_1000_requests_a_second_on_one_connection(pair: tuple[int, int]) -> None:
    seconds = []
    with _to(pair[0]) as connection:
        for _ in range(4):
            begin = time.monotonic()
            for _ in range(300):
                assert _get(connection, "/")[0] == 200
            seconds.append(time.monotonic() - begin)
    assert min(seconds) < 0.3


def test_a_body_in_chunks_is_read(pair: tuple[int, int]) -> None:
    chunked = {"transfer-encoding": "chunked"}
    with _to(pair[0]) as connection:
        for _ in range(2):
            connection.request("POST", "/", body=iter([b"one", b"two"]), encode_chunked=True, headers=chunked)
            assert connection.getresponse().read()
