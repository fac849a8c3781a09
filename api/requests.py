"""requests: what every answer carries, whatever made it: Request-Id, and no caching of tenants' things.

A plain ASGI wrapper, so that it also covers answers that never reach a route.
"""

import re
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import FastAPI

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
_CLIENT_ID = re.compile(rb"[\x21-\x7e]{1,128}")


class RequestIds:
    """Names each request; a client's own `X-Request-Id` is echoed as `Client-Request-Id`, never taken for ours."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = f"req_{uuid.uuid4().hex}"
        scope.setdefault("state", {})["request_id"] = name
        theirs = next((v for k, v in scope["headers"] if k == b"x-request-id" and _CLIENT_ID.fullmatch(v)), None)

        async def named(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                more = [(b"request-id", name.encode())]
                if theirs is not None:
                    more.append((b"client-request-id", theirs))
                if not any(k.lower() == b"cache-control" for k, _ in message["headers"]):
                    more.append((b"cache-control", b"no-store"))
                message["headers"] = [*message["headers"], *more]
            await send(message)

        await self._app(scope, receive, named)


def install(app: FastAPI) -> None:
    """Give every request of this app its id."""
    app.add_middleware(RequestIds)
