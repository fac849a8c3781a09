"""builds: which Envoys are served here: App Mesh's last image, which is 1.34, and all that are newer.

What they get is made to fit the oldest of them (`isthmus.xds.oldest`). An older one might refuse it or, worse, take it
for something else, so it is told, by name, that it is not served; and so is a client that is no Envoy.
"""

from dataclasses import dataclass

from envoy.config.core.v3 import base_pb2

from isthmus.xds.ads import UnknownEnvoy
from isthmus.xds.oldest import OLDEST, Version


@dataclass(frozen=True, slots=True)
class Build:
    """An Envoy's version."""

    minor: Version
    patch: int

    def __str__(self) -> str:
        return f"{self.minor}.{self.patch}"


def build_of(node: base_pb2.Node) -> Build:
    """The version that a node says it is; UnknownEnvoy if it is older than what is made here, or says none."""
    said = node.user_agent_build_version.version
    build = Build(Version(said.major_number, said.minor_number), said.patch)
    if build.minor < OLDEST:
        raise UnknownEnvoy(f"Envoy {build} ({node.id}) is not served: App Mesh's image is {OLDEST} or newer")
    return build
