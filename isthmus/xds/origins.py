"""origins: which document of the mesh made a name that Envoy has, so that its words can be told in the tenant's.

One entry a family of names; a family is what stands before the first slash. Names that many nodes share (`inbound/80`)
are told apart by the view they were seen in. What is made for the mesh as such (secrets, the east-west listener) leads
to the mesh. `tests/golden` walks every name that is ever made, so a new family without its entry fails there.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self, TypeAlias
from uuid import UUID

from isthmus.model.key import Key
from isthmus.values import service_id
from isthmus.wire import Sni
from isthmus.xds import names
from isthmus.xds.snapshot import AGENT_VIEW, Manifest, Parts, Type


@dataclass(frozen=True, slots=True)
class Known:
    """The mesh's name, and its nodes by the id under which other clusters ask for them (the SNIs of gateways)."""

    mesh: str
    nodes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, mesh: str, mesh_id: UUID, nodes: Iterable[str]) -> Self:
        """Of the nodes with these names."""
        return cls(mesh, {service_id(mesh_id, node): node for node in nodes})

    @classmethod
    def by(cls, mesh: str, mesh_id: UUID, manifest: Manifest) -> Self:
        """Of the nodes that a manifest's `agent` view names: those placed in its cluster, which its gateways serve."""
        serving = manifest.views.get(AGENT_VIEW, Parts()).serving
        return cls.of(mesh, mesh_id, (ref.name for ref in serving if ref.type == Type.NODE))

    @property
    def key(self) -> Key:
        """The mesh itself."""
        return Key("Mesh", self.mesh)


Segments: TypeAlias = tuple[str, ...]
"""What follows the family in a name, still escaped."""

Made: TypeAlias = Callable[[Segments, Key, Known], Key]
"""The document that made a name: from its segments, the view's own document, and what is known. IndexError for none."""


def _own(_segments: Segments, of: Key, _known: Known) -> Key:
    return of


def _mesh(_segments: Segments, _of: Key, known: Known) -> Key:
    return known.key


def _named(kind: str) -> Made:
    return lambda segments, _of, _known: Key(kind, names.plain(segments[0]))


def _within(kind: str) -> Made:
    return lambda segments, _of, _known: Key(kind, names.plain(segments[1]), names.plain(segments[0]))


def _part(segments: Segments, _of: Key, _known: Known) -> Key:
    """A part of a backend: what follows the family is a backend's whole name."""
    return Key("VirtualNode", names.plain(segments[1]))


def _outbound(segments: Segments, of: Key, _known: Known) -> Key:
    """What is at a virtual service's own address is of that service; where all of them are asked for, the caller's."""
    return Key("VirtualService", names.plain(segments[1])) if segments and segments[0] in names.VIPS else of


FAMILIES: Mapping[str, Made] = {
    "inbound": _own,
    "app": _own,
    "ingress": _own,
    names.OUTBOUND: _outbound,
    names.OTHERWISE: _own,
    names.DNS: _own,
    names.TUNNEL: _own,
    "self": _own,
    names.IMAGE_INBOUND: _own,
    "node": _named("VirtualNode"),
    names.MTLS: _part,
    names.PLAINTEXT: _part,
    names.ELSEWHERE: _part,
    "service": _named("VirtualService"),
    "tcp": _named("VirtualService"),
    "route": _within("Route"),
    "gateway-route": _within("GatewayRoute"),
    "to": _named("Attachment"),
    "peer": _named("Attachment"),
    names.EAST_WEST: _mesh,
    names.EGRESS: _mesh,
    names.ORIGINAL: _mesh,
    names.IDENTITY: _mesh,
    names.BUNDLE: _mesh,
    names.CERTIFICATE: _own,
    names.AUTHORITY: _own,
    names.FILE: _own,
    "challenge": _own,
}
"""What made the names of each family: resources, virtual hosts, routes, slots, and statistics below them."""

_AGENTS: Mapping[str, str] = {
    Type.NODE: "VirtualNode",
    Type.GATEWAY: "VirtualGateway",
    Type.BINDING: "Binding",
    Type.PEER: "Attachment",
}
"""What the agent reads is named as the tenant names it."""

_ROLES: Mapping[str, str] = {"node": "VirtualNode", "gateway": "VirtualGateway"}


def owner(view: str, known: Known) -> Key:
    """Whose view it is: a node's, a gateway's, or the mesh's own."""
    role, _, rest = view.partition("/")
    kind = _ROLES.get(role)
    return known.key if kind is None else Key(kind, rest.rpartition("@")[0])


def origin(name: str, view: str, known: Known) -> Key | None:
    """What made a name that an Envoy with this view has; None for a name that this release does not make."""
    family, *segments = name.split("/")
    made = FAMILIES.get(family)
    if made is None:
        return _by_sni(name, known)
    try:
        return made(tuple(segments), owner(view, known), known)
    except IndexError:
        return None


def of_resource(kind: str, name: str, view: str, known: Known) -> Key | None:
    """What made a resource of any view, the agent's too."""
    if kind == Type.MESH:
        return known.key
    return Key(_AGENTS[kind], name) if kind in _AGENTS else origin(name, view, known)


def told(made: Key | None) -> dict[str, str] | None:
    """A document as answers and files name it."""
    return None if made is None else {"kind": made.kind, "name": made.text}


def _by_sni(name: str, known: Known) -> Key | None:
    """A gateway's backend is called what its caller asks for; the base domain is the installation's own."""
    try:
        node = known.nodes.get(Sni.parse(name, suffix=None).service)
    except ValueError:
        return None
    return None if node is None else Key("VirtualNode", node)
