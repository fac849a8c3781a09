"""world: all that one agent replica knows, as a value: what follows from it is a function of it alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from gateway.agent.discovery import Found
from gateway.agent.discovery.answers import Sight
from gateway.agent.inventory import Workload
from gateway.agent.managed import NOTHING, Managed
from gateway.agent.offers import Mesh
from gateway.agent.proxied import Arriving, Proxied
from gateway.proto import link_pb2 as link
from isthmus.ir.found import Discovery
from isthmus.xds.aws_image import APP_MESH, Capture
from isthmus.xds.endpoints import Here


@dataclass(frozen=True, slots=True)
class Place:
    """Which cluster this is; `trust_domain` is empty until the hub or a held intermediate says it."""

    cluster: str
    cluster_id: UUID
    region: str = ""
    trust_domain: str = ""

    @property
    def here(self) -> Here:
        """The place as endpoints are ordered from it. Our own network is not on the link yet: peers go by gateway."""
        return Here(self.cluster, self.cluster_id, self.region, network="")


@dataclass(frozen=True, slots=True)
class World:
    """The inputs. `meshes` and `imports` by mesh id; `trust`: trust domain → its roots as PEM.

    `minors`: proxy → the Envoy minor (`1.40`) that it was seen to run. `images`: Envoys of App Mesh's image that have
    shown whose they are, by proxy, those that went a while ago included; `capture`: where their hosts lead connections.
    `proxied`: before which instances a proxy was seen; `arriving`: before which just now; `siblings`: whether other
    replicas may have seen more of them. `resolved`: what nodes' own service discovery was seen to say. `without_six`:
    the proxies that have said that their hosts have no IPv6.
    """

    place: Place
    meshes: Mapping[str, Mesh] = field(default_factory=dict)
    imports: Mapping[str, link.Imports] = field(default_factory=dict)
    trust: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    trust_position: link.Position | None = None
    found: Found = field(default_factory=Found)
    minors: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, Workload] = field(default_factory=dict)
    capture: Capture = APP_MESH
    proxied: Proxied = field(default_factory=dict)
    arriving: Arriving = field(default_factory=dict)
    siblings: bool = False
    resolved: Mapping[Discovery, Sight] = field(default_factory=dict)
    managed: Managed = NOTHING
    without_six: frozenset[str] = frozenset()

    def positions(self) -> tuple[link.Position, ...]:
        """What is held of each lane, for `Hello.held` and `Heartbeat.applied`."""
        held = [mesh.position for _, mesh in sorted(self.meshes.items())]
        held += [imports.position for _, imports in sorted(self.imports.items())]
        once = (self.trust_position, self.managed.position)
        return (*held, *(position for position in once if position is not None))
