"""lanes: the resources of many proxies side by side in one Envoy, each under names and at an address of its own.

A canary that took one view at a time would spend its time on round trips. Whatever a resource is called by is found by
reflection over Envoy's own messages, so that a new kind of reference is a line in a table; one that is forgotten refers
to nothing, and Envoy or the wait for its ACK tells.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from zlib import crc32

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import extension_pb2
from envoy.config.core.v3.address_pb2 import SocketAddress
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

from isthmus.xds.snapshot import Resource, Type, digest
from isthmus.xds.sources import packed

MESSAGES = {
    Type.CLUSTER: cluster_pb2.Cluster,
    Type.ENDPOINTS: endpoint_pb2.ClusterLoadAssignment,
    Type.LISTENER: listener_pb2.Listener,
    Type.ROUTES: route_pb2.RouteConfiguration,
}
NAMES = {
    "envoy.config.cluster.v3.Cluster": ("name",),
    "envoy.config.cluster.v3.Cluster.EdsClusterConfig": ("service_name",),
    "envoy.config.core.v3.EnvoyInternalAddress": ("server_listener_name",),
    "envoy.config.endpoint.v3.ClusterLoadAssignment": ("cluster_name",),
    "envoy.config.listener.v3.Listener": ("name",),
    "envoy.config.route.v3.RouteAction": ("cluster",),
    "envoy.config.route.v3.RouteConfiguration": ("name",),
    "envoy.config.route.v3.WeightedCluster.ClusterWeight": ("name",),
    "envoy.extensions.filters.network.http_connection_manager.v3.Rds": ("route_config_name",),
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy": ("cluster",),
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight": ("name",),
}
"""Where resources are called by their names. A filter that is discovered is another such place."""
MOST = 192
_FILE_LOG = "envoy.extensions.access_loggers.file.v3.FileAccessLog"
"""Envoy refuses a listener whose log it cannot open, and which files can be opened is the host's affair."""

_ANY = "google.protobuf.Any"


def laned(resource: Resource, lane: int, filters: Mapping[str, str], *, bind: bool) -> Resource:
    """A resource as one of a lane; `filters`: what its discovered filters are called there.

    Without `bind` listeners take no socket, at an address that is theirs alone.
    """
    message = MESSAGES[resource.type].FromString(resource.body)
    prefix = f"{lane}|"
    _rename(message, prefix, filters)
    if resource.type is Type.LISTENER and message.HasField("address") and not bind:
        at, port = _apart(lane, resource.name)
        if message.address.socket_address.protocol == SocketAddress.TCP:  # of UDP Envoy refuses that
            message.bind_to_port.value = False
            message.ClearField("freebind")  # of a socket; that of a name cannot change, and lanes have names in common
            message.address.socket_address.port_value = port
        message.address.socket_address.address = at
    return replace(resource, name=prefix + resource.name, body=message.SerializeToString(deterministic=True))


def _apart(lane: int, listener: str) -> tuple[str, int]:
    """Where no other listener is, not even one that is about to go: Envoy adds before it removes."""
    high, low = divmod(crc32(listener.encode()), 2**16)
    return f"127.{64 + lane}.{low // 256}.{low % 256}", 1 + high % 65_000


def _filter(resource: Resource, lane: int) -> Resource:
    """A discovered filter, called by its content: nearly all are equal, and Envoy asks for each name by itself."""
    message = extension_pb2.TypedExtensionConfig.FromString(resource.body)
    _rename(message, f"{lane}|", {})
    message.name = resource.name
    name = f"{digest(message.SerializeToString(deterministic=True))}|{resource.name}"
    message.name = name
    return replace(resource, name=name, body=message.SerializeToString(deterministic=True))


def _rename(message: Message, prefix: str, filters: Mapping[str, str]) -> None:
    """Every name in a message and in all that it holds; and no log is written."""
    for field in NAMES.get(message.DESCRIPTOR.full_name, ()):
        if name := getattr(message, field):
            setattr(message, field, prefix + name)
    if message.DESCRIPTOR.full_name == _FILE_LOG:
        message.path = "/dev/null"  # type: ignore[attr-defined]
    if "config_discovery" in message.DESCRIPTOR.fields_by_name and message.HasField("config_discovery"):
        message.name = filters[message.name]  # type: ignore[attr-defined]
    for inner in _held(message):
        if inner.DESCRIPTOR.full_name == _ANY:
            _rename_packed(inner, prefix, filters)
        else:
            _rename(inner, prefix, filters)


def _rename_packed(packed_message: Message, prefix: str, filters: Mapping[str, str]) -> None:
    """Of a message in an `Any` that holds a name; the others stay as they are."""
    name = packed_message.type_url.rpartition("/")[2]  # type: ignore[attr-defined]
    if name in _NAMELESS:
        return
    made = message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(name))
    inner = made.FromString(packed_message.value)  # type: ignore[attr-defined]
    before = inner.SerializeToString(deterministic=True)
    _rename(inner, prefix, filters)
    if inner.SerializeToString(deterministic=True) != before:
        packed_message.CopyFrom(packed(inner))


_NAMELESS = frozenset(
    {
        "envoy.extensions.filters.http.rbac.v3.RBAC",
        "envoy.extensions.filters.http.router.v3.Router",
        "envoy.extensions.filters.network.rbac.v3.RBAC",
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "envoy.extensions.access_loggers.stats.v3.Config",
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
    }
)
"""Not worth the time; they hold no name of a resource but secrets', which all lanes share."""


def _held(message: Message) -> Iterator[Message]:
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                yield from value.values()
        elif field.is_repeated:
            yield from value
        else:
            yield value


def alike(proxy: Iterable[Resource]) -> list[str]:
    """A key to sort proxies by, so that lanes keep many of their listeners from one push to the next."""
    return sorted(resource.name for resource in proxy if resource.type is Type.LISTENER)


def side_by_side(proxies: Iterable[Sequence[Resource]], *, bind: bool = False) -> list[Resource]:
    """Everything of several proxies for one Envoy; secrets, which all have in common, once."""
    made: dict[tuple[str, str], Resource] = {}
    proxies = list(proxies)
    assert len(proxies) <= MOST, "a lane is an octet of an address"
    for lane, resources in enumerate(proxies):
        slots = {r.name: _filter(r, lane) for r in resources if r.type is Type.EXTENSION}
        filters = {name: renamed.name for name, renamed in slots.items()}
        plain = [laned(r, lane, filters, bind=bind) for r in resources if r.type in MESSAGES]
        shared = [r for r in resources if r.type is Type.SECRET]
        made |= {(r.type, r.name): r for r in (*slots.values(), *plain, *shared)}
    return list(made.values())
