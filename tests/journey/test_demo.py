"""`isthmus demo`, running: its ready file names everything one needs to poke it, and everything named is there."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from isthmus.demo import evidence
from isthmus.demo.layout import Layout
from isthmus.embedded.ports import SPAN, free_base
from tests.until import until

READY_SECONDS = 90.0


@pytest.fixture(scope="module")
def base() -> int:
    return free_base(sorted({port for _, port in Layout(0).listeners()} | set(range(20))), seed=time.monotonic_ns())


@pytest.fixture(scope="module")
def said(base: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Any]]:
    """What the ready file says, while the demo runs. In the end nothing of it is left."""
    ready = tmp_path_factory.mktemp("demo") / "ready.json"
    command = [sys.executable, "-m", "isthmus.cli.main", "demo", "--port-base", str(base), "--ready-file", str(ready)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:

        def is_ready() -> bool:
            assert demo.poll() is None, demo.communicate()[0]
            return ready.exists()

        until(is_ready, READY_SECONDS)
        found: Mapping[str, Any] = json.loads(ready.read_text())
        yield found
        demo.send_signal(signal.SIGINT)
        printed, _ = demo.communicate(timeout=30)
        assert demo.returncode == 0, printed
        assert found["ingress"] in printed
        assert found["token"] in printed
    assert not evidence.running(_pids(found))
    assert not ready.exists()


def _pids(value: Any) -> set[int]:  # noqa: ANN401 - JSON
    """Every process that a ready file names."""
    if isinstance(value, list):
        return {pid for inner in value for pid in _pids(inner)}
    if not isinstance(value, dict):
        return set()
    own = {value["pid"]} if "pid" in value else set[int]()
    lists = {pid for pids in value.get("processes", {}).values() for pid in pids}
    return own | lists | {pid for inner in value.values() for pid in _pids(inner)}


def test_it_has_every_member(said: Mapping[str, Any]) -> None:
    assert {"api", "org", "token", "console", "aws", "mesh", "ingress", "clusters", "processes"} <= set(said)
    assert {"api", "worker", "hub", "postgres", "valkey", "relay", "beat"} == set(said["processes"])
    assert {name: c["region"] for name, c in said["clusters"].items()} == {"east": "us-east-1", "west": "eu-west-1"}
    for cluster in said["clusters"].values():
        assert set(cluster) == {"region", "agent", "warden", "gateway", "proxies", "instances"}
        assert set(cluster["gateway"]) == {"address", "pid", "admin"}
        assert all({"node", "pid", "admin"} <= set(proxy) for proxy in cluster["proxies"])
        assert all({"node", "address", "pid"} <= set(instance) for instance in cluster["instances"])


def test_every_process_named_runs_and_has_its_own_id(said: Mapping[str, Any]) -> None:
    pids = _pids(said)
    assert len(evidence.running(pids)) == len(pids) == 8 + 4 + 7 + 4  # ours, agents and wardens, Envoys, applications


def test_every_tcp_port_is_within_500_of_the_base(said: Mapping[str, Any], base: int) -> None:
    ports = {port for pid in _pids(said) for port in _listens(pid)}
    assert ports, "somebody listens"
    assert ports <= set(range(base, base + SPAN))


def test_a_plain_get_of_the_ingress_is_200_and_comes_from_both_clusters(said: Mapping[str, Any]) -> None:
    answers = [httpx.get(f"{said['ingress']}/color") for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["cluster"] for answer in answers} == {"east", "west"}
    assert httpx.get(said["ingress"]).json()["called"]["name"] in {"blue", "green"}


def test_each_envoy_answers_on_its_admin_on_loopback(said: Mapping[str, Any]) -> None:
    for cluster in said["clusters"].values():
        for proxy in [cluster["gateway"], *cluster["proxies"]]:
            assert proxy["admin"].startswith("127.0.0.1:")
            assert evidence.admin(proxy["admin"], "/ready") == "LIVE\n"


def test_the_api_takes_the_token_and_shows_both_clusters_live(said: Mapping[str, Any]) -> None:
    clusters = httpx.get(f"{said['api']}/v1/clusters", headers={"Authorization": f"Bearer {said['token']}"}).json()
    assert {(c["name"], c["state"]) for c in clusters["items"]} == {("east", "live"), ("west", "live")}
    assert httpx.get(said["console"]).status_code == 200
    assert re.fullmatch(r"\d{12}", said["aws"]["account_id"])


def _listens(pid: int) -> Iterator[int]:
    """The TCP ports on which a process listens."""
    inodes = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            inodes.add(str(handle.readlink()))
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == "0A" and f"socket:[{columns[9]}]" in inodes:
                yield int(columns[1].rpartition(":")[2], 16)
