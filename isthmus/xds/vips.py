"""vips: where a proxy takes what is sent to a virtual service's own address: one listener for each of its ports.

Only a proxy that has its host for itself gets them (`isthmus.xds.proxy`). A port that takes requests has the service's
routes and no others, whatever Host says: who asks at an address has said whom he means, and a name outside the mesh
that leads to a VIP cannot send a request round and round. What a listener says never changes with its service, so
nothing drains: routes come by RDS, where connections go by ECDS. IPv6 has listeners of its own: a listener that shares
no port cannot be given another address (Envoy 1.40 takes it for two), and a host without IPv6 loses no more than that,
once its agent has heard of it (`isthmus.xds.unbindable`).
"""

from functools import lru_cache
from ipaddress import ip_address

from envoy.config.core.v3 import base_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2

from isthmus.ir.mesh import AccessLog
from isthmus.xds import listeners, names, tcp
from isthmus.xds.snapshot import Resource, Type


def for_requests(service: str, address: str, port: int, log: AccessLog | None = None) -> Resource:
    """The listener of a port for requests; `log` is the caller's."""
    name = names.outbound_vip(service, port, six=":" in address)
    chain = listener_components_pb2.FilterChain(filters=[listeners.of_service(name, log)])
    return _listener(name, address, port, chain)


def for_connections(service: str, address: str, port: int) -> Resource:
    """The listener of a TCP port."""
    name = names.outbound_vip(service, port, six=":" in address)
    return _listener(name, address, port, tcp.chain(name, service, port))


@lru_cache(maxsize=2**14)
def address(listener: Resource) -> str:
    """Where such a listener binds."""
    return str(listener_pb2.Listener.FromString(listener.body).address.socket_address.address)


def _listener(name: str, address: str, port: int, chain: listener_components_pb2.FilterChain) -> Resource:
    out = listener_pb2.Listener(name=name, traffic_direction=base_pb2.OUTBOUND, filter_chains=[chain])
    out.address.socket_address.address = address
    out.address.socket_address.port_value = port
    out.enable_reuse_port.value = False  # or another proxy of this host would share the port, and the connections
    if not ip_address(address).is_loopback:
        out.freebind.value = True  # the host need not be told of the range before its proxy starts
    return Resource(Type.LISTENER, name, out.SerializeToString(deterministic=True))
