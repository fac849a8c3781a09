"""The API on a real socket, for tests of what reaches it there."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

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
def served(settings: Settings) -> Iterator[str]:
    """Its URL, on a free port, while it answers."""
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
