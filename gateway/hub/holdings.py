"""holdings: what an agent has, so that it is sent only what is newer.

It begins with what `Hello` says is on the agent's disk and grows with what leaves on this stream; a body that was in
either is not sent again while the stream lasts, so an agent drops bodies only between streams. Nothing here acts.
"""

from collections.abc import Iterable

from gateway.proto import link_pb2 as link
from isthmus.xds.snapshot import Manifest

CERTIFICATES = "certificates"
"""The feature of agents that keep managed certificates."""


class Holdings:
    """Positions by lane and mesh, and the versions of resource bodies; `features` of the agent."""

    def __init__(self, hello: link.Hello) -> None:
        self._positions = {(p.lane, p.mesh): (p.sequence, p.version) for p in hello.held}
        self._bodies = set(hello.resources)
        self.features = frozenset(hello.features)

    def lacks(self, position: link.Position) -> bool:
        """Whether this is news: other content, if it is not older than what is held.

        In the definition lane a higher sequence is news by itself: it is a later phase, and wants acks of its own.
        """
        sequence, version = self._positions.get((position.lane, position.mesh), (0, ""))
        if position.sequence > sequence and position.lane == link.DEFINITION:
            return True
        return position.sequence >= sequence and position.version != version

    def missing(self, manifest: bytes) -> list[str]:
        """The bodies that this manifest refers to and the agent does not have, sorted."""
        return sorted(Manifest.parse(manifest).versions() - self._bodies) if manifest else []

    def take(self, position: link.Position, bodies: Iterable[str] = ()) -> None:
        """The agent has this now."""
        self._positions[position.lane, position.mesh] = (position.sequence, position.version)
        self._bodies.update(bodies)

    def meshes(self) -> frozenset[str]:
        """The meshes of which it has a definition."""
        return frozenset(mesh for lane, mesh in self._positions if lane == link.DEFINITION)

    def drop(self, mesh: str) -> None:
        """It has been told to forget this mesh."""
        for lane in (link.DEFINITION, link.TOPOLOGY):
            self._positions.pop((lane, mesh), None)
