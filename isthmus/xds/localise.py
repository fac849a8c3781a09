"""localise: the same definition on every instance of a node; only where it binds is the instance's own."""

from envoy.config.listener.v3 import listener_pb2

from isthmus.xds.snapshot import Resource


def bound(listener: Resource, address: str, port: int) -> Resource:
    """A listener at an address instead of the compiler's placeholder."""
    message = listener_pb2.Listener.FromString(listener.body)
    message.address.socket_address.address = address
    message.address.socket_address.port_value = port
    return Resource(listener.type, listener.name, message.SerializeToString(deterministic=True))
