"""vips: where a proxy takes what is sent to a virtual service's own address: one listener for each of its ports.

Only a proxy that has its host for itself gets them (`isthmus.xds.proxy`). A port that takes requests has the service's
routes and no others, whatever Host says: who asks at an address has said whom he means, and a name outside the mesh
that leads to a VIP cannot send a request round and round. What a listener says never changes with its service, so
nothing drains: routes come by RDS, where connections go by ECDS. IPv6 has listeners of its own: a listener that shares
no port cannot be given another address (Envoy 1.40 takes it for two), and a host without IPv6 loses no more than that.
"""

from ipaddress import ip_address

from envoy.config.core.v3 import base_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2

from isthmus.ir.mesh import AccessLog
from isthmus.xds import lb_endpoint, listeners, names, tcp
from isthmus.xds.joined import field, numbers
from isthmus.xds.snapshot import Resource, Type


def for_requests(service: str, address: str, port: int, log: AccessLog | None = None) -> Resource:
    """The listener of a port for requests; `log` is the caller's."""
    name = names.outbound_vip(service, port, six=":" in address)
    return _listener(name, address, port, field(_FILTERS, listeners.of_service(name, log)))


def for_connections(service: str, address: str, port: int) -> Resource:
    """The listener of a TCP port."""
    name = names.outbound_vip(service, port, six=":" in address)
    return _listener(name, address, port, tcp.chain(name, service, port).SerializeToString(deterministic=True))


def _listener(name: str, address: str, port: int, chain: bytes) -> Resource:
    """Joined, because a mesh has one for each of its services, and they differ in their names and addresses only."""
    at = field(_ADDRESS, lb_endpoint.at(address, port))
    rest = _TAIL_OF_LOOPBACK if ip_address(address).is_loopback else _TAIL
    body = b"".join((field(_NAME, name.encode()), at, field(_CHAINS, chain), rest))
    return Resource(Type.LISTENER, name, body)


def _tail(*, loopback: bool) -> bytes:
    out = listener_pb2.Listener(traffic_direction=base_pb2.OUTBOUND)
    out.enable_reuse_port.value = False  # or another proxy of this host would share the port, and the connections
    if not loopback:
        out.freebind.value = True  # the host need not be told of the range before its proxy starts
    body: bytes = out.SerializeToString(deterministic=True)
    return body


_TAIL, _TAIL_OF_LOOPBACK = _tail(loopback=False), _tail(loopback=True)
_NAME, _ADDRESS, _CHAINS = numbers(listener_pb2.Listener, "name", "address", "filter_chains")
(_FILTERS,) = numbers(listener_components_pb2.FilterChain, "filters")
