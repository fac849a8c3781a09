"""localise: the same definition on every instance of a node; only where it binds is the instance's own."""

from collections.abc import Iterable

from envoy.config.core.v3 import address_pb2
from envoy.config.listener.v3 import listener_pb2

from isthmus.xds.dual import ANYWHERE
from isthmus.xds.snapshot import Resource


def bound(listener: Resource, address: str, port: int, others: Iterable[str] = ()) -> Resource:
    """A listener at an address instead of the compiler's placeholder, and at the `others`, at the same port."""
    message = listener_pb2.Listener.FromString(listener.body)
    bind(message, address, port)
    for other in others:
        beside(message, other, port)
    return Resource(listener.type, listener.name, message.SerializeToString(deterministic=True))


def bind(message: listener_pb2.Listener, address: str, port: int) -> None:
    """The same in a message. Linux lets a socket at `::` take IPv4 as well, which Envoy turns off unless it is told."""
    _place(message.address, address, port)
    message.address.socket_address.ipv4_compat = address == ANYWHERE


def beside(message: listener_pb2.Listener, address: str, port: int) -> None:
    """At another address, too; at `::` for IPv6 alone."""
    _place(message.additional_addresses.add().address, address, port)


def _place(message: address_pb2.Address, address: str, port: int) -> None:
    message.socket_address.address = address
    message.socket_address.port_value = port
