"""The API on a real socket, for tests of what reaches it there.

As a process of its own where it serves many tests: a thread that lives on beside tests of grpc.aio collects their
garbage, which belongs to other event loops, and takes the whole run with it.
"""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import uvicorn

from api.app import create_app
from isthmus.adapters.local_signer import create_link_ca
from isthmus.adapters.sealer import Sealer
from isthmus.settings import Settings
from tests.until import until


def make_keys(home: Path) -> Mapping[str, Path]:
    """A master key and a link CA, as an installation has them."""
    files = {name: home / name for name in ("master_key_file", "link_ca_cert", "link_ca_key")}
    sealer = Sealer.create(files["master_key_file"])
    create_link_ca(files["link_ca_cert"], files["link_ca_key"], sealer, now=datetime.now(UTC))
    return files


@contextmanager
def running(settings: Settings) -> Iterator[str]:
    """The URL of `isthmus api` on a free port, while it runs."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
    told = settings.model_dump(mode="json", exclude_unset=True) | {"api_bind": address}
    environment = {f"ISTHMUS_{name.upper()}": str(value) for name, value in told.items()}
    command = [sys.executable, "-m", "isthmus.cli.main", "api"]
    process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL)
    try:
        until(lambda: process.poll() is not None or _answers(address), 60.0)
        assert process.poll() is None, "the API has ended; was its port taken?"
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(20)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/healthz").status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """The same in a thread of this process, for one test that reaches into it."""
    app = create_app(settings)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            until(lambda: server.started)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
