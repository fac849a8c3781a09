"""said: a definition's documents by kind and name, so that references are followed in one step.

Each is an input of a `Computation`: what a meaning has looked up is what it depends on, also where nothing was found.
What is ground (the mesh's own spec and settings, where it is attached) is not: a change there begins anew.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from isthmus.incremental import ABSENT, Computation, Inputs, Lookup
from isthmus.ir import listener_certificates
from isthmus.model.definition import Settings
from isthmus.model.document import Document
from isthmus.model.key import Key
from isthmus.model.kinds.gateway_route import GatewayRouteSpec
from isthmus.model.kinds.mesh import MeshSpec
from isthmus.model.kinds.route import RouteSpec
from isthmus.model.kinds.topology import BindingSpec, PlacementSpec
from isthmus.model.kinds.transport import TransportSpec
from isthmus.model.kinds.virtual_gateway import VirtualGatewaySpec
from isthmus.model.kinds.virtual_node import VirtualNodeSpec
from isthmus.model.kinds.virtual_router import VirtualRouterSpec
from isthmus.model.kinds.virtual_service import VirtualServiceSpec

ALIKE = "services of one lower-case name"
VIP = "address of a service"


@dataclass(frozen=True)
class Said:
    """Specs by name; `routes` and `gateway_routes` by their parent's name, then by their own.

    `alike`: the names of the services that are one name to HTTP, which does not know case, sorted, by that name in
    lower case. `certificates`: the further certificates of a listener, by `listener_certificates.place`; None where
    there are none. `vips`: the services' IPv4 addresses, which nobody says: they were given (`isthmus.model.vips`).
    """

    mesh: str
    spec: MeshSpec
    settings: Settings
    attached: frozenset[str]
    nodes: Lookup[VirtualNodeSpec]
    services: Lookup[VirtualServiceSpec]
    routers: Lookup[VirtualRouterSpec]
    routes: Lookup[Mapping[str, RouteSpec]]
    gateways: Lookup[VirtualGatewaySpec]
    gateway_routes: Lookup[Mapping[str, GatewayRouteSpec]]
    placements: Lookup[PlacementSpec]
    transports: Lookup[TransportSpec]
    bindings: Lookup[BindingSpec]
    alike: Lookup[tuple[str, ...]]
    certificates: Lookup[tuple[str, ...]]
    vips: Lookup[str]

    @classmethod
    def of(
        cls, computation: Computation, mesh: str, spec: MeshSpec, settings: Settings, attached: frozenset[str]
    ) -> Self:
        """Whatever has been and will be `put` into the computation."""

        def every(kind: str) -> Inputs[Any]:
            return Inputs(computation, kind)

        return cls(
            mesh=mesh,
            spec=spec,
            settings=settings,
            attached=attached,
            nodes=every("VirtualNode"),
            services=every("VirtualService"),
            routers=every("VirtualRouter"),
            routes=every("Route"),
            gateways=every("VirtualGateway"),
            gateway_routes=every("GatewayRoute"),
            placements=every("Placement"),
            transports=every("Transport"),
            bindings=every("Binding"),
            alike=every(ALIKE),
            certificates=every(listener_certificates.FURTHER),
            vips=every(VIP),
        )

    def permissive(self, node: str) -> bool:
        """Whether a node may be called in plaintext: as its own transport says, else as the mesh's."""
        own = self.transports.get(node)
        return (self.settings.transport if own is None else own.mode) != "strict"


class Documents:
    """The documents of a mesh as inputs of a computation; a child's spec also by itself, for what is of it alone."""

    def __init__(self, computation: Computation) -> None:
        self._computation = computation
        self._nested: dict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
        self._alike: dict[str, set[str]] = defaultdict(set)
        self._further = listener_certificates.ByListener()

    def put(self, changes: Iterable[tuple[Key, Document | None]], vips: Mapping[str, str]) -> None:
        """Documents that are new or other than before; None for those that are gone. `vips`: of services among them."""
        parents = set()
        for key, document in changes:
            spec = ABSENT if document is None else document.spec
            self._computation.put(_place(key), spec)
            if key.parent is not None:
                self._put_child(key, document)
                parents.add((key.kind, key.parent))
            if key.kind == "VirtualService":
                self._put_alike(key.name, gone=document is None)
                self._computation.put((VIP, key.name), ABSENT if document is None else vips.get(key.name, ABSENT))
            if key.kind == listener_certificates.KIND:
                for place, arns in self._further.put(key.name, spec):
                    self._computation.put((listener_certificates.FURTHER, place), arns or ABSENT)
        for kind, parent in parents:
            children = self._nested[kind, parent]
            self._computation.put((kind, parent), dict(children) if children else ABSENT)

    def read(self, key: Key) -> Any:  # noqa: ANN401 - by kind
        """A document's spec; `ABSENT` if there is none."""
        return self._computation.read(_place(key))

    def _put_child(self, key: Key, document: Document | None) -> None:
        assert key.parent is not None, "only children are put so"
        children = self._nested[key.kind, key.parent]
        if document is None:
            children.pop(key.name, None)
        else:
            children[key.name] = document.spec

    def _put_alike(self, name: str, *, gone: bool) -> None:
        names = self._alike[name.lower()]
        (names.discard if gone else names.add)(name)
        self._computation.put((ALIKE, name.lower()), tuple(sorted(names)) if names else ABSENT)


def _place(key: Key) -> tuple[str, ...]:
    return (key.kind, key.name) if key.parent is None else (key.kind, key.name, key.parent)
