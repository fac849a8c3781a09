"""nodes: where a virtual node runs, who it is there, where it listens and what it may call.

Its identities come from its placement, not from who reports instances of it: the first instance in a placed cluster
needs no compile, and one anywhere else is nobody (design-notes 3).
"""

from collections.abc import Mapping
from typing import Any

from isthmus.ir import families, tls
from isthmus.ir.access_logs import access_log
from isthmus.ir.discovery import discovery
from isthmus.ir.health import health_check
from isthmus.ir.listener_certificates import place
from isthmus.ir.mesh import Listener, Node, Outlier, Pool, Protocol
from isthmus.ir.said import Said
from isthmus.ir.surroundings import ClusterFacts
from isthmus.model.kinds import virtual_node
from isthmus.model.kinds.virtual_gateway import VirtualGatewayConnectionPool
from isthmus.model.kinds.virtual_node import TcpConnectionPool, VirtualNodeConnectionPool
from isthmus.model.listening import GrpcConnectionPool, Http2ConnectionPool, HttpConnectionPool
from isthmus.model.timing import Duration
from isthmus.values import TrustDomain

REQUEST_TIMEOUT = 15_000
"""App Mesh's, for routes and for listeners, where none is said (appmesh.md §3.3)."""


def node(name: str, said: Said, attached: Mapping[str, ClusterFacts]) -> Node:
    """A virtual node with the clusters it may run in: those of its placement that are attached, or all of these."""
    spec, placement = said.nodes[name], said.placements.get(name)
    places = tuple(c for c in attached if placement is None or c in placement.clusters)
    permissive = said.permissive(name)
    return Node(
        name=name,
        listeners=tuple(
            _listener(name, spec, listener, _further(name, listener, said), permissive=permissive)
            for listener in spec.listeners or ()
        ),
        places=places,
        identities=tuple(TrustDomain(attached[c].trust_domain).node(said.mesh, name) for c in places),
        services=tuple(b.virtual_service.service for b in spec.backends or () if b.virtual_service is not None),
        exported=said.settings.exports != "listed",
        permissive=permissive,
        log=access_log(spec.logging),
        discovery=discovery(spec, said),
        hostname=tls.hostname(spec),
        policy=tls.default_policy(spec.backend_defaults),
        policies=tls.own_policies(spec),
        families=families.of_node(spec, said),
    )


def milliseconds(duration: Duration | None) -> int | None:
    """A duration that may not have been said."""
    return None if duration is None else duration.milliseconds


def request_timeout(timeout: Any) -> int:  # noqa: ANN401 - an http or a grpc timeout, or None
    """A limit in milliseconds for one request, 0 for none."""
    said = None if timeout is None else milliseconds(timeout.per_request)
    return REQUEST_TIMEOUT if said is None else said


def _further(name: str, listener: virtual_node.Listener, said: Said) -> tuple[str, ...]:
    return said.certificates.get(place("VirtualNode", name, listener.port_mapping.port)) or ()


def _listener(
    name: str,
    spec: virtual_node.VirtualNodeSpec,
    said: virtual_node.Listener,
    further: tuple[str, ...],
    *,
    permissive: bool,
) -> Listener:
    protocol = Protocol(said.port_mapping.protocol)
    timeout = said.timeout.chosen[1] if said.timeout is not None else None
    return Listener(
        port=said.port_mapping.port,
        protocol=protocol,
        timeout=0 if protocol is Protocol.TCP else request_timeout(timeout),
        idle=None if timeout is None else milliseconds(timeout.idle),
        pool=pool(said.connection_pool),
        outlier=_outlier(said.outlier_detection),
        check=health_check(name, spec, said),
        tls=tls.shown(said.tls, further, permissive=permissive),
    )


def pool(said: VirtualNodeConnectionPool | VirtualGatewayConnectionPool | None) -> Pool | None:
    """A listener's limits; App Mesh applied them behind that listener, never at its clients (appmesh.md §3.3)."""
    match said.chosen[1] if said is not None else None:
        case HttpConnectionPool(max_connections=connections, max_pending_requests=pending):
            return Pool(connections=connections, pending=pending)
        case TcpConnectionPool(max_connections=connections):
            return Pool(connections=connections)
        case Http2ConnectionPool(max_requests=requests) | GrpcConnectionPool(max_requests=requests):
            return Pool(requests=requests)
    return None


def _outlier(said: virtual_node.OutlierDetection | None) -> Outlier | None:
    if said is None:
        return None
    return Outlier(
        errors=said.max_server_errors,
        interval=milliseconds(said.interval) or 0,
        ejection=milliseconds(said.base_ejection_duration) or 0,
        percent=said.max_ejection_percent,
    )
