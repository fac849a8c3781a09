"""evidence: what Envoys and the kernel say themselves, so that the check need not believe our own reports."""

import errno
import json
import socket
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

ADMIN_SECONDS = 5.0
NONE_FOUND = 404
"""Envoy's answer where it has nothing of a kind: an east-west gateway has no routes."""
_LISTEN = "0A"  # the state column of /proc/net/tcp
_GONE = "ZX"


def admin(address: str, path: str) -> str:
    """An answer of an Envoy's admin interface."""
    with urllib.request.urlopen(f"http://{address}{path}", timeout=ADMIN_SECONDS) as answer:
        return str(answer.read().decode())


def takes_connections(address: str) -> bool:
    """Whether an Envoy has its configuration and listens."""
    with suppress(OSError):
        return admin(address, "/ready") == "LIVE\n"
    return False


def found(address: str, resource: str) -> list[Any]:
    """The entries of one kind in an Envoy's own configuration, as its config_dump says."""
    try:
        dumped = json.loads(admin(address, f"/config_dump?resource={resource}"))
    except HTTPError as error:
        if error.code == NONE_FOUND:
            return []
        raise
    return list(dumped.get("configs", []))


def unsettled(address: str) -> list[str]:
    """What an Envoy has refused or not finished taking on: empty when it runs exactly what it was sent."""
    out = []
    for entry in found(address, "dynamic_listeners"):
        out += [
            f"{entry['name']}: {state}"
            for state in ("warming_state", "draining_state", "error_state")
            if state in entry
        ]
    for resource in ("dynamic_warming_clusters", "dynamic_active_clusters", "dynamic_route_configs"):
        for entry in found(address, resource):
            if "error_state" in entry or resource == "dynamic_warming_clusters":
                out.append(f"{resource}: {entry.get('error_state', 'warming')}")
    return out


def weights(address: str) -> list[dict[str, int]]:
    """The weighted targets in an Envoy's routes: node → weight, for each route that has any."""
    return [dict(_targets(w)) for config in found(address, "dynamic_route_configs") for w in _weighted(config)]


def demanded(address: str) -> set[str]:
    """Every name that an Envoy demands of the servers it calls."""
    text = [json.dumps(entry) for entry in found(address, "dynamic_active_clusters")]
    return {word.rstrip('"') for line in text for word in line.split('"') if word.startswith("spiffe://")}


def statistics(address: str, pattern: str) -> Mapping[str, int]:
    """An Envoy's counters whose names match."""
    lines = admin(address, f"/stats?filter={quote(pattern)}").splitlines()
    pairs = (line.rsplit(": ", 1) for line in lines if ": " in line)
    return {name: int(value) for name, value in pairs if value.isdigit()}


def refused(address: str | Path) -> bool:
    """Whether nobody listens at HOST:PORT, or at a Unix socket."""
    kind = socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET
    with socket.socket(kind) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(address) if isinstance(address, Path) else _pair(address))
        except OSError as e:
            return e.errno in {errno.ECONNREFUSED, errno.ENOENT}
    return False


def running(pids: Iterable[int]) -> list[int]:
    """Those of the processes that run; a zombie has ended."""

    def runs(pid: int) -> bool:
        with suppress(OSError):
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in _GONE
        return False

    return [pid for pid in pids if runs(pid)]


def naming(folder: Path) -> list[int]:
    """The processes whose command line names a path below `folder`."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return running(pid for pid in pids if f"{folder}/" in _command_line(pid))


def listening(ports: range, folder: Path) -> list[str]:
    """TCP ports in the range that somebody listens on, and Unix sockets below the folder that somebody holds."""
    tcp = [f"port {port}" for table in ("tcp", "tcp6") for port in _tcp(Path("/proc/net") / table) if port in ports]
    held = (line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines()[1:])
    return tcp + [path for path in held if path.startswith(f"{folder}/")]


def _tcp(table: Path) -> Iterator[int]:
    for line in table.read_text().splitlines()[1:]:
        columns = line.split()
        if columns[3] == _LISTEN:
            yield int(columns[1].rpartition(":")[2], 16)


def _command_line(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    return ""


def _weighted(value: Any) -> Iterator[Any]:  # noqa: ANN401 - JSON
    """Every `weighted_clusters` in a JSON value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "weighted_clusters":
                yield inner
            else:
                yield from _weighted(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _weighted(inner)


def _targets(weighted: Any) -> Iterator[tuple[str, int]]:  # noqa: ANN401 - JSON
    """Node and weight: our names of backends are `node/NODE/PORT`."""
    for cluster in weighted["clusters"]:
        yield cluster["name"].split("/")[1], cluster["weight"]


def _pair(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)
