"""tcp: where an application's connections are taken, and where they go.

The listener knows its port and which service has it, and nothing else: a listener that changes drains, and a connection
that drains is cut. Where connections go is the last filter of its chain, and comes by itself like the filters before
it: measured on Envoy 1.36.2 and 1.40, a change of weights reaches the next connection within 4 ms and leaves open ones
alone, and without it connections are closed (docs/decisions/009).

There is no listener filter that would read first, so a server may speak first.
"""

from functools import lru_cache

from envoy.config.core.v3 import base_pb2, config_source_pb2, extension_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from google.protobuf.wrappers_pb2 import UInt32Value

from isthmus.ir.mesh import AccessLog, TcpPort
from isthmus.ir.tcp import Claim
from isthmus.xds import access_logs, names, slots
from isthmus.xds.listeners import TCP_PLACEHOLDER
from isthmus.xds.snapshot import Resource, Type
from isthmus.xds.sources import ADS, lasting, packed

ATTEMPTS = 3
"""The first and the two more that App Mesh's default policy has on connect-failure (appmesh.md §3.3)."""

_TYPE = f"type.googleapis.com/{tcp_proxy_pb2.TcpProxy.DESCRIPTOR.full_name}"


def outbound(claim: Claim) -> Resource:
    """The listener of a TCP port of a caller."""
    name = names.outbound_tcp(claim.port.port)
    out = listener_pb2.Listener(name=name, traffic_direction=base_pb2.OUTBOUND)
    out.address.socket_address.address = TCP_PLACEHOLDER
    out.address.socket_address.port_value = claim.port.port
    out.enable_reuse_port.value = False  # or another proxy at this address would share the port, and the connections
    out.filter_chains.append(chain(name, claim.service, claim.port.port))
    return Resource(Type.LISTENER, name, out.SerializeToString(deterministic=True))


def chain(listener: str, service: str, port: int) -> listener_components_pb2.FilterChain:
    """A listener's slots, and at their end wherever a port of a service leads."""
    filters = [*slots.tcp_filters(listener), _discovered(names.tcp(service, port))]
    return listener_components_pb2.FilterChain(filters=filters)


@lru_cache(maxsize=4096)
def leads_to(listener: Resource) -> str:
    """The name of the filter at the end of a TCP listener's chain."""
    name: str = listener_pb2.Listener.FromString(listener.body).filter_chains[0].filters[-1].name
    return name


def _discovered(name: str) -> listener_components_pb2.Filter:
    source = config_source_pb2.ExtensionConfigSource(config_source=ADS, type_urls=[_TYPE])
    return listener_components_pb2.Filter(name=name, config_discovery=source)


def led(service: str, port: TcpPort, log: AccessLog | None = None, *, own: bool = False) -> Resource:
    """Where a port of a service leads, by weight; `log` is the caller's.

    Envoy refuses a weight of 0, and a cluster that is never defined closes the connection. `own`: whether the caller
    has a client policy for this service alone, and so backends of its own.
    """
    name = names.tcp(service, port.port)
    proxy = tcp_proxy_pb2.TcpProxy(
        stat_prefix=names.stat(name),
        max_connect_attempts=UInt32Value(value=ATTEMPTS),
        access_log=access_logs.written(log),
    )
    weights: dict[str, int] = {}
    for target in port.targets:
        backend = names.backend(target.node, target.port, service if own else None)
        weights[backend] = weights.get(backend, 0) + target.weight
    weighed = {backend: weight for backend, weight in weights.items() if weight}
    if len(weighed) > 1:
        for backend, weight in weighed.items():
            proxy.weighted_clusters.clusters.add(name=backend, weight=weight)
    else:
        proxy.cluster = next(iter(weighed), names.NOWHERE)
    if port.idle is not None:
        proxy.idle_timeout.CopyFrom(lasting(port.idle))
    message = extension_pb2.TypedExtensionConfig(name=name, typed_config=packed(proxy))
    return Resource(Type.EXTENSION, name, message.SerializeToString(deterministic=True))
