"""paths: names in URLs, exactly as they are: a name may hold a slash or a percent sign, and neither may split it.

The server decodes `%2F` before anything is matched, so `a%2Fb` would look like two segments. Here the path is decoded
again from its raw form, segment by segment, leaving just these two characters escaped; the convertor `segment` of the
routes takes the escapes away.
"""

from urllib.parse import unquote

from fastapi import FastAPI
from starlette.convertors import StringConvertor, register_url_convertor

from api.requests import App, Receive, Scope, Send
from isthmus.errors import Invalid


class Segment(StringConvertor):
    """One path segment as the name it stands for."""

    def convert(self, value: str) -> str:
        """The name."""
        return value.replace("%2F", "/").replace("%25", "%")

    def to_string(self, value: str) -> str:
        """The segment."""
        return value.replace("%", "%25").replace("/", "%2F")


SEGMENT = Segment()
register_url_convertor("segment", SEGMENT)


class WholeSegments:
    """Decodes paths segment by segment."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        raw = scope.get("raw_path") or b""
        if b"%" in raw:
            segments = raw.decode("latin-1").split("/")
            scope["path"] = "/".join(SEGMENT.to_string(unquote(segment)) for segment in segments)
        await self._app(scope, receive, send)


def refuse_nul(path: str) -> None:
    """Invalid for U+0000, which nothing can be named with: PostgreSQL's text cannot hold it."""
    if "\0" in path:
        raise Invalid.one("/path", "nul_character", "must not contain U+0000")


def install(app: FastAPI) -> None:
    """Match this app's routes by whole segments."""
    app.add_middleware(WholeSegments)
