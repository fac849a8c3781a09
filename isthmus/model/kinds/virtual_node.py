"""VirtualNode: a workload: where it listens, what it may call, how it is found."""

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field

from isthmus.errors import Violation
from isthmus.model.kind import ResourceKind
from isthmus.model.kinds.mesh import IpPreference
from isthmus.model.listening import (
    GrpcConnectionPool,
    HealthCheckPolicy,
    Http2ConnectionPool,
    HttpConnectionPool,
    Listens,
    PortMapping,
    agreeing,
    repeated_ports,
)
from isthmus.model.logging import Logging
from isthmus.model.structure import Many, Maybe, Positive, PositiveLong, Structure, Union
from isthmus.model.timing import Duration, GrpcTimeout, HttpTimeout, TcpTimeout
from isthmus.model.tls import BackendDefaults, ClientPolicy, ListenerTls

LONGEST_HOSTNAME = 253


class TcpConnectionPool(Structure):
    """Limits of tcp."""

    max_connections: Positive


class VirtualNodeConnectionPool(Union):
    """How much the node takes at once."""

    grpc: Maybe[GrpcConnectionPool] = None
    http: Maybe[HttpConnectionPool] = None
    http2: Maybe[Http2ConnectionPool] = None
    tcp: Maybe[TcpConnectionPool] = None


class OutlierDetection(Structure):
    """When clients stop calling an instance that fails."""

    base_ejection_duration: Duration
    interval: Duration
    max_ejection_percent: Annotated[int, Field(ge=0, le=100)]
    max_server_errors: PositiveLong


class ListenerTimeout(Union):
    """How long the node may take."""

    grpc: Maybe[GrpcTimeout] = None
    http: Maybe[HttpTimeout] = None
    http2: Maybe[HttpTimeout] = None
    tcp: Maybe[TcpTimeout] = None


class Listener(Structure):
    """One port of the node."""

    connection_pool: Maybe[VirtualNodeConnectionPool] = None
    health_check: Maybe[HealthCheckPolicy] = None
    outlier_detection: Maybe[OutlierDetection] = None
    port_mapping: PortMapping
    timeout: Maybe[ListenerTimeout] = None
    tls: Maybe[ListenerTls] = None

    def violations(self) -> Iterator[Violation]:
        return agreeing(self, connectionPool=self.connection_pool, timeout=self.timeout)


class VirtualServiceBackend(Structure):
    """A service the node may call, by name or ARN; it need not exist yet (appmesh.md §3.5)."""

    client_policy: Maybe[ClientPolicy] = None
    virtual_service_name: str

    @property
    def service(self) -> str:
        """The service's name, also where its ARN was given."""
        _, found, name = self.virtual_service_name.partition("/virtualService/")
        return name if found and self.virtual_service_name.startswith("arn:") else self.virtual_service_name

    def violations(self) -> Iterator[Violation]:
        if not self.service:
            yield Violation("/virtualServiceName", "too_short", "must name a virtual service")


class Backend(Union):
    """What the node may call."""

    virtual_service: Maybe[VirtualServiceBackend] = None


class AwsCloudMapInstanceAttribute(Structure):
    """An attribute that an instance in Cloud Map must have. The patterns are App Mesh's, letter by letter."""

    key: Annotated[str, Field(min_length=1, max_length=255, pattern="^[a-zA-Z0-9!-~]+$")]
    value: Annotated[
        str,
        Field(
            min_length=1,
            max_length=1024,
            pattern="^([a-zA-Z0-9!-~][  a-zA-Z0-9!-~]*){0,1}[a-zA-Z0-9!-~]{0,1}$",
        ),
    ]


_CloudMapName = Annotated[str, Field(min_length=1, max_length=1024)]


class AwsCloudMapServiceDiscovery(Structure):
    """Found in AWS Cloud Map."""

    attributes: Maybe[Many[AwsCloudMapInstanceAttribute]] = None
    ip_preference: Maybe[IpPreference] = None
    namespace_name: _CloudMapName
    service_name: _CloudMapName


class DnsServiceDiscovery(Structure):
    """Found in DNS."""

    hostname: str
    ip_preference: Maybe[IpPreference] = None
    response_type: Maybe[Literal["LOADBALANCER", "ENDPOINTS"]] = None

    def violations(self) -> Iterator[Violation]:
        name = self.hostname
        if (
            not name
            or len(name.rstrip(".")) > LONGEST_HOSTNAME
            or any(c.isspace() or not c.isprintable() for c in name)
        ):
            yield Violation("/hostname", "not_a_hostname", f"{name!r} is not a host name")


class ServiceDiscovery(Union):
    """Where instances are found that no binding names."""

    aws_cloud_map: Maybe[AwsCloudMapServiceDiscovery] = None
    dns: Maybe[DnsServiceDiscovery] = None


class VirtualNodeSpec(Listens):
    """App Mesh's VirtualNodeSpec; `{}` is a client only."""

    backend_defaults: Maybe[BackendDefaults] = None
    backends: Maybe[Many[Backend]] = None
    listeners: Maybe[Many[Listener]] = None
    logging: Maybe[Logging] = None
    service_discovery: Maybe[ServiceDiscovery] = None

    @cached_property
    def ports(self) -> tuple[PortMapping, ...]:
        """Where the node listens."""
        return tuple(listener.port_mapping for listener in self.listeners or ())

    def violations(self) -> Iterator[Violation]:
        yield from repeated_ports([mapping.port for mapping in self.ports])
        yield from self._repeated_backends()
        if self.service_discovery is not None and not self.listeners:
            yield Violation("/serviceDiscovery", "needs_listener", "service discovery can't be set without a listener")

    def _repeated_backends(self) -> Iterator[Violation]:
        seen = set()
        for i, backend in enumerate(self.backends or ()):
            service = backend.chosen[1].service
            if service in seen:
                yield Violation(f"/backends/{i}/virtualService", "duplicate", f"{service} is a backend already")
            seen.add(service)


KIND = ResourceKind("VirtualNode", VirtualNodeSpec, "virtual-nodes")
