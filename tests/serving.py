"""The API on a real socket, for tests of what reaches it there."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from api.app import create_app
from isthmus.settings import Settings
from tests.until import until


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
