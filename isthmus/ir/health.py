"""health: how it is found out whether a node is well: which question is asked on a port, and in whose name.

A check is of its listener's port, so it can only be asked in what that speaks. App Mesh named the calling service in
the question (appmesh.md §3.3); here a node is asked once for all services that it is behind, by a name of its own.
"""

import re
from collections.abc import Iterator
from urllib.parse import quote

from isthmus.ir.mesh import HealthCheck, Ineffective, Protocol
from isthmus.model.key import Key
from isthmus.model.kinds.virtual_node import Listener, VirtualNodeSpec

ANY_PATH, ANY_HOST = "/", "localhost"

_HOST = re.compile(r"[0-9A-Za-z_]([0-9A-Za-z_.-]{0,251}[0-9A-Za-z_])?")
_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
"""What a path is made of; all else is escaped (RFC 3986 §2.1). Envoy refuses a check with control characters in it."""
_WITH_PATH = frozenset({Protocol.HTTP, Protocol.HTTP2})

NO_GRPC = (
    "gRPC needs HTTP/2, and the application on this port is called in HTTP/1.1: it is only checked that it takes"
    " connections; with http2 or grpc as the listener's protocol it is asked"
)
NO_PATH = "only a check by http or http2 has a path"


def health_check(node: str, spec: VirtualNodeSpec, listener: Listener) -> HealthCheck | None:
    """The check of one port of a node."""
    said = listener.health_check
    if said is None:
        return None
    protocol = _asked(listener, Protocol(said.protocol))
    return HealthCheck(
        protocol=protocol,
        host=_host(node, spec),
        path=quote(said.path or ANY_PATH, safe=_VISIBLE) if protocol in _WITH_PATH else "",
        interval=said.interval_millis,
        timeout=said.timeout_millis,
        healthy=said.healthy_threshold,
        unhealthy=said.unhealthy_threshold,
    )


def without_effect(node: str, spec: VirtualNodeSpec) -> Iterator[Ineffective]:
    """What a node's checks say that cannot be done."""
    for i, listener in enumerate(spec.listeners or ()):
        said = listener.health_check
        if said is None:
            continue
        at = f"/spec/listeners/{i}/healthCheck"
        if _asked(listener, Protocol(said.protocol)) != said.protocol:
            yield Ineffective(Key("VirtualNode", node), f"{at}/protocol", NO_GRPC)
        if said.path is not None and said.protocol not in _WITH_PATH:
            yield Ineffective(Key("VirtualNode", node), f"{at}/path", NO_PATH)


def _asked(listener: Listener, protocol: Protocol) -> Protocol:
    """What is asked: no gRPC of what speaks HTTP/1.1. A port of raw bytes speaks whatever its check says."""
    return Protocol.TCP if (protocol, listener.port_mapping.protocol) == (Protocol.GRPC, Protocol.HTTP) else protocol


def _host(node: str, spec: VirtualNodeSpec) -> str:
    """The Host header, or the authority: some applications answer only to a name that they know."""
    dns = spec.service_discovery.dns if spec.service_discovery is not None else None
    listed = (dns.hostname.rstrip(".") if dns is not None else "", node)
    return next((name for name in listed if _HOST.fullmatch(name)), ANY_HOST)
