"""said: a definition's documents by kind and name, so that references are followed in one step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from isthmus.model.definition import Definition, Settings
from isthmus.model.kinds.gateway_route import GatewayRouteSpec
from isthmus.model.kinds.route import RouteSpec
from isthmus.model.kinds.topology import BindingSpec, PlacementSpec
from isthmus.model.kinds.virtual_gateway import VirtualGatewaySpec
from isthmus.model.kinds.virtual_node import VirtualNodeSpec
from isthmus.model.kinds.virtual_router import VirtualRouterSpec
from isthmus.model.kinds.virtual_service import VirtualServiceSpec


@dataclass(frozen=True)
class Said:
    """Specs by name; `routes` and `gateway_routes` by their parent's name, then by their own."""

    mesh: str
    settings: Settings
    nodes: Mapping[str, VirtualNodeSpec]
    services: Mapping[str, VirtualServiceSpec]
    routers: Mapping[str, VirtualRouterSpec]
    routes: Mapping[str, Mapping[str, RouteSpec]]
    gateways: Mapping[str, VirtualGatewaySpec]
    gateway_routes: Mapping[str, Mapping[str, GatewayRouteSpec]]
    attached: frozenset[str]
    placements: Mapping[str, PlacementSpec]
    bindings: Mapping[str, BindingSpec]

    @classmethod
    def of(cls, definition: Definition) -> Self:
        """Sort a definition's documents."""
        flat: dict[str, dict[str, Any]] = {}
        nested: dict[str, dict[str, dict[str, Any]]] = {}
        for key, document in definition.documents.items():
            if key.parent is None:
                flat.setdefault(key.kind, {})[key.name] = document.spec
            else:
                nested.setdefault(key.kind, {}).setdefault(key.parent, {})[key.name] = document.spec
        return cls(
            mesh=definition.name,
            settings=definition.settings,
            nodes=flat.get("VirtualNode", {}),
            services=flat.get("VirtualService", {}),
            routers=flat.get("VirtualRouter", {}),
            routes=nested.get("Route", {}),
            gateways=flat.get("VirtualGateway", {}),
            gateway_routes=nested.get("GatewayRoute", {}),
            attached=frozenset(flat.get("Attachment", {})),
            placements=flat.get("Placement", {}),
            bindings=flat.get("Binding", {}),
        )
