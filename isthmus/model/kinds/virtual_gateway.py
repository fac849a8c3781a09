"""VirtualGateway: where requests from outside the mesh come in. App Mesh gave it everything a node has but tcp."""

from collections.abc import Iterator

from isthmus.errors import Violation
from isthmus.model.kind import ResourceKind
from isthmus.model.listening import (
    GrpcConnectionPool,
    Http2ConnectionPool,
    HttpConnectionPool,
    VirtualGatewayHealthCheckPolicy,
    VirtualGatewayPortMapping,
    agreeing,
    repeated_ports,
)
from isthmus.model.logging import Logging
from isthmus.model.structure import Many, Maybe, Structure, Union
from isthmus.model.tls import BackendDefaults, ListenerTls


class VirtualGatewayConnectionPool(Union):
    """How much the gateway takes at once."""

    grpc: Maybe[GrpcConnectionPool] = None
    http: Maybe[HttpConnectionPool] = None
    http2: Maybe[Http2ConnectionPool] = None


class VirtualGatewayListener(Structure):
    """One port of the gateway."""

    connection_pool: Maybe[VirtualGatewayConnectionPool] = None
    health_check: Maybe[VirtualGatewayHealthCheckPolicy] = None
    port_mapping: VirtualGatewayPortMapping
    tls: Maybe[ListenerTls] = None

    def violations(self) -> Iterator[Violation]:
        return agreeing(self, connectionPool=self.connection_pool)


class VirtualGatewaySpec(Structure):
    """App Mesh's VirtualGatewaySpec."""

    backend_defaults: Maybe[BackendDefaults] = None
    listeners: Many[VirtualGatewayListener]
    logging: Maybe[Logging] = None

    @property
    def ports(self) -> tuple[VirtualGatewayPortMapping, ...]:
        """Where the gateway listens."""
        return tuple(listener.port_mapping for listener in self.listeners)

    def violations(self) -> Iterator[Violation]:
        return repeated_ports([mapping.port for mapping in self.ports])


KIND = ResourceKind("VirtualGateway", VirtualGatewaySpec, "virtual-gateways")
