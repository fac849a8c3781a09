"""lb_endpoint: one endpoint of an assignment, joined from its parts.

A mesh has ten times as many endpoints as anything else, they are put in order by their bytes, and messages are built
only for that: joining takes half the time. The bytes are those of protobuf (tests/unit/xds/test_joined.py).
"""

from collections.abc import Sequence
from functools import lru_cache

from envoy.config.core.v3 import address_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2

from isthmus.xds.joined import field, numbers

_Endpoint = endpoint_components_pb2.Endpoint


@lru_cache(maxsize=2**14)
def at(host: str, port: int) -> bytes:
    """The address of a socket. Kept, because an agent asks for all of them whenever one instance changes."""
    return field(_SOCKET, field(_HOST, host.encode()) + _port(port))


def inside(listener: str, endpoint_id: str) -> bytes:
    """An address of its own behind an internal listener."""
    out = address_pb2.Address()
    out.envoy_internal_address.server_listener_name = listener
    out.envoy_internal_address.endpoint_id = endpoint_id
    body: bytes = out.SerializeToString(deterministic=True)
    return body


def endpoint(addresses: Sequence[bytes], hostname: str = "", *, checked: bool = True) -> bytes:
    """What is reached at several addresses, the preferred one first.

    `checked`: whether the active health checks that its backend may have are made.
    """
    first, *others = addresses
    out = field(_ADDRESS, first)
    if not checked:
        out += _UNCHECKED
    if hostname:
        out += field(_HOSTNAME, hostname.encode())
    for other in others:
        out += field(_OTHERS, field(_OTHER, other))
    return out


@lru_cache(maxsize=1024)
def _port(port: int) -> bytes:
    body: bytes = address_pb2.SocketAddress(port_value=port).SerializeToString(deterministic=True)
    return body


_UNCHECKED = _Endpoint(
    health_check_config=_Endpoint.HealthCheckConfig(disable_active_health_check=True)
).SerializeToString(deterministic=True)
_ADDRESS, _HOSTNAME, _OTHERS = numbers(_Endpoint, "address", "hostname", "additional_addresses")
(_OTHER,) = numbers(_Endpoint.AdditionalAddress, "address")
(_SOCKET,) = numbers(address_pb2.Address, "socket_address")
(_HOST,) = numbers(address_pb2.SocketAddress, "address")
