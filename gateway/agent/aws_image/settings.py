"""settings: what an agent is told of the port for App Mesh's image."""

import re
from dataclasses import dataclass
from pathlib import Path

from gateway.agent.aws_image.verifier import Verifier
from isthmus.errors import Invalid
from isthmus.xds.aws_image import APP_MESH, Capture

MOST_ENVOYS = 10_000
HALF_AN_HOUR = (1500.0, 2100.0)
"""As AWS ended streams (appmesh.md §3.3)."""
HTTPS = "443"
_HOST = re.compile(r"(?P<name>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>\d+))?")


@dataclass(frozen=True, slots=True)
class Settings:
    """`hosts`: as clients dial us, HOST[:PORT] (the bind's port if not said); `most`: Envoys of one node or gateway.

    `lifetime`: seconds that a stream lasts, spread because Envoys that started together would come back together.
    `verifier`: who says whose a signature is; None is the hub.
    """

    bind: str
    cert: Path
    key: Path
    hosts: tuple[str, ...]
    most: int = MOST_ENVOYS
    lifetime: tuple[float, float] = HALF_AN_HOUR
    capture: Capture = APP_MESH
    verifier: Verifier | None = None

    def signed_hosts(self) -> tuple[str, ...]:
        """What may stand in a signed `host` header; Invalid if there is nothing.

        gRPC's Python server does not tell `:authority`. Clients leave out the port where it is HTTPS's, or do not.
        """
        if not self.hosts:
            raise Invalid.one(
                "/aws-image-host", "missing", "--aws-image-bind needs --aws-image-host: what clients sign"
            )
        out: list[str] = []
        for text in self.hosts:
            found = _HOST.fullmatch(text.lower())
            if found is None:
                raise Invalid.one("/aws-image-host", "not_an_address", f"{text!r} must be HOST or HOST:PORT")
            name, port = found["name"], found["port"] or self.bind.rpartition(":")[2]
            out += [name, f"{name}:{port}"] if port == HTTPS else [f"{name}:{port}"]
        return tuple(dict.fromkeys(out))
