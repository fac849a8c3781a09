"""speaking: resources and requests as short as a test wants to say them."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import base_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.service.discovery.v3 import discovery_pb2

from isthmus.xds.ads import Session
from isthmus.xds.snapshot import TYPE_OF_URL, TYPE_URL, Ref, Resource, Type
from isthmus.xds.subscription import Wanted

BAD = "bad"
"""What our model of Envoy refuses when it is in a resource."""

World = dict[tuple[Type, str], Wanted]
Request: TypeAlias = discovery_pb2.DeltaDiscoveryRequest
Response: TypeAlias = discovery_pb2.DeltaDiscoveryResponse


def cluster(name: str, mark: str = "1", *, eds: bool = True) -> Resource:
    kind = cluster_pb2.Cluster.EDS if eds else cluster_pb2.Cluster.STATIC
    message = cluster_pb2.Cluster(name=name, type=kind, alt_stat_name=mark)
    return Resource(Type.CLUSTER, name, message.SerializeToString(deterministic=True))


def endpoints(name: str, mark: str = "1") -> Resource:
    message = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    message.endpoints.add().locality.zone = mark
    return Resource(Type.ENDPOINTS, name, message.SerializeToString(deterministic=True))


def routes(name: str, clusters: Iterable[str], mark: str = "1") -> Resource:
    message = route_pb2.RouteConfiguration(name=name)
    host = message.virtual_hosts.add(name=mark, domains=["*"])
    for target in clusters:
        match = route_components_pb2.RouteMatch(prefix="/")
        host.routes.add(match=match, route=route_components_pb2.RouteAction(cluster=target))
    return Resource(Type.ROUTES, name, message.SerializeToString(deterministic=True))


def listener(name: str, of: str = "", mark: str = "1") -> Resource:
    """A listener whose routes are called `of`."""
    message = listener_pb2.Listener(name=name, stat_prefix=mark, traffic_direction=0)
    message.filter_chains.add(name=of)
    return Resource(Type.LISTENER, name, message.SerializeToString(deterministic=True))


def secret(name: str, mark: str = "1") -> Resource:
    return Resource(Type.SECRET, name, mark.encode())


def world(*resources: Resource) -> World:
    return {(r.type, r.name): Wanted(r.ref.version, r.body) for r in resources}


def versions(*resources: Resource) -> dict[str, str]:
    return {r.name: r.ref.version for r in resources}


def refs(*resources: Resource) -> set[Ref]:
    return {r.ref for r in resources}


def node(name: str = "web-1", minor: int = 40) -> base_pb2.Node:
    made = base_pb2.Node(id=name)
    made.user_agent_build_version.version.major_number = 1
    made.user_agent_build_version.version.minor_number = minor
    return made


def asks(
    kind: Type, *names: str, held: Mapping[str, str] | None = None, drop: Iterable[str] = (), minor: int = 40
) -> Request:
    """A first or later subscription."""
    return Request(
        node=node(minor=minor), type_url=TYPE_URL[kind], resource_names_subscribe=names,
        resource_names_unsubscribe=drop, initial_resource_versions=held or {},
    )  # fmt: skip


def ack(response: Response) -> Request:
    return Request(type_url=response.type_url, response_nonce=response.nonce)


def nack(response: Response, message: str = "missing ]: [") -> Request:
    request = ack(response)
    request.error_detail.code, request.error_detail.message = 13, message
    return request


def told(responses: Iterable[Response]) -> list[str]:
    """Responses as `cds +a +b`, `lds -x`, `cds` (empty)."""
    return [
        " ".join(
            [TYPE_OF_URL[r.type_url], *(f"+{x.name}" for x in r.resources), *(f"-{n}" for n in r.removed_resources)]
        )
        for r in responses
    ]


def session(*resources: Resource) -> Session:
    """A stream of an Envoy that is to have these."""
    made = Session(["1.40"])
    made.update(world(*resources))
    return made


def settle(stream: Session, responses: Iterable[Response]) -> list[str]:
    """Acknowledge everything until nothing comes; what was said, in order."""
    queue, said = list(responses), list[str]()
    while queue:
        said += told(queue[:1])
        queue += stream.on_request(ack(queue.pop(0)))
    return said
