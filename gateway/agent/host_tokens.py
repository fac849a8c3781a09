"""host_tokens: how a host's warden proves itself once: a token made beside the agent, good for 15 minutes and one use.

The command that makes one and the agent that takes it are two processes that share a folder. Only the hash lies there;
taking it is one `rename`, which succeeds for exactly one of any number of racing callers.
"""

import json
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from gateway.edge import disk
from isthmus.errors import Denied
from isthmus.values import Secret

LIFE = timedelta(minutes=15)


class HostTokens:
    """The tokens below an agent's data directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "host-tokens"

    def add(self, token: Secret, host: str, now: datetime) -> datetime:
        """Let `token` enrol `host`; until when. Tokens that nobody used in time are swept out."""
        self._sweep(now)
        expires = now + LIFE
        disk.write(self._path(token), json.dumps({"host": host, "expires": expires.timestamp()}).encode())
        return expires

    def spend(self, token: str, now: datetime) -> str:
        """The host that the token is for; Denied if it is unknown, used or expired."""
        path = self._path(Secret(token))
        taken = path.with_suffix(".spent")
        try:
            path.rename(taken)
        except FileNotFoundError:
            raise Denied("the host token is unknown or used") from None
        body = disk.read(taken)
        disk.remove(taken)
        said = json.loads(body or b"{}")
        if now.timestamp() >= said.get("expires", 0):
            raise Denied("the host token has expired")
        return str(said["host"])

    def _path(self, token: Secret) -> Path:
        return self._folder / f"{sha256(token.encode()).hexdigest()}.json"

    def _sweep(self, now: datetime) -> None:
        for path in self._folder.glob("[!.]*.json"):
            said = json.loads(disk.read(path) or b"{}")
            if now.timestamp() >= said.get("expires", 0):
                disk.remove(path)
