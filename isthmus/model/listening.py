"""listening: ports and protocols, and the rules that all listeners share.

A listener says its protocol up to four times (port, pool, timeout, health check). App Mesh's Kubernetes webhook
demanded that pool and port agree (appmesh.md §4.4); we demand it of timeouts too, because one of another protocol does
nothing.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal, Protocol

from isthmus.errors import Violation
from isthmus.model.health import HealthChecking
from isthmus.model.structure import Maybe, Port, Positive, Structure, Union

NodeProtocol = Literal["http", "tcp", "http2", "grpc"]
GatewayProtocol = Literal["http", "http2", "grpc"]


class PortMapping(Structure):
    """A port of a virtual node or router."""

    port: Port
    protocol: NodeProtocol


class Listens(Structure):
    """A spec with ports; what is made of them is kept, because every route that leads there asks."""

    @property
    @abstractmethod
    def ports(self) -> tuple[PortMapping, ...]:
        """Where it listens, in the order given."""

    @cached_property
    def request_ports(self) -> tuple[int, ...]:
        """The ports that an HTTP route can lead to."""
        return tuple(mapping.port for mapping in self.ports if mapping.protocol != "tcp")

    @cached_property
    def connection_ports(self) -> tuple[int, ...]:
        """The ports that a tcp route can lead to."""
        return tuple(mapping.port for mapping in self.ports if mapping.protocol == "tcp")


class VirtualGatewayPortMapping(Structure):
    """A port of a virtual gateway, which knows no tcp."""

    port: Port
    protocol: GatewayProtocol


class HealthCheckPolicy(HealthChecking):
    """How a node's clients see whether it is well."""

    protocol: NodeProtocol


class VirtualGatewayHealthCheckPolicy(HealthChecking):
    """How a gateway is seen to be well."""

    protocol: GatewayProtocol


class HttpConnectionPool(Structure):
    """Limits of http."""

    max_connections: Positive
    max_pending_requests: Maybe[Positive] = None


class Http2ConnectionPool(Structure):
    """Limits of http2."""

    max_requests: Positive


class GrpcConnectionPool(Structure):
    """Limits of grpc."""

    max_requests: Positive


class Listening(Protocol):
    """What the shared rules need of a listener, of a node or of a gateway."""

    @property
    def port_mapping(self) -> PortMapping | VirtualGatewayPortMapping: ...
    @property
    def health_check(self) -> HealthCheckPolicy | VirtualGatewayHealthCheckPolicy | None: ...


def agreeing(listener: Listening, **same_protocol: Union | None) -> Iterator[Violation]:
    """The rules of one listener: its health check is of its port, and each union given is of its protocol."""
    mapping, check = listener.port_mapping, listener.health_check
    for member, union in same_protocol.items():
        if union is not None and union.chosen[0] != mapping.protocol:
            said = union.chosen[0]
            detail = f"is for {said}, but the port's protocol is {mapping.protocol}"
            yield Violation(f"/{member}/{said}", "protocol_mismatch", detail)
    if check is None:
        return
    if check.port not in (None, mapping.port):
        yield Violation("/healthCheck/port", "port_mismatch", f"must be the listener's port, {mapping.port}")
    if check.protocol in ("http", "http2") and check.path is not None and not check.path.startswith("/"):
        yield Violation("/healthCheck/path", "not_a_path", "must begin with /")


def repeated_ports(ports: Sequence[int], pointer: str = "/listeners") -> Iterator[Violation]:
    """Two listeners cannot have one port."""
    for i, port in enumerate(ports):
        if port in ports[:i]:
            yield Violation(f"{pointer}/{i}/portMapping/port", "duplicate", f"port {port} has a listener already")
