"""Every name Envoy will see is spelled here and nowhere else.

Envoy warms or drains whatever changes its name, so a name holds only what identifies the thing: put a weight or a
timeout in a name and every edit of it costs the tenant their connections. Each name leads back to the resource of the
mesh that made it, so that a NACK, a metric or a log line can be told in the tenant's words (`isthmus.xds.origins`: a
new family needs its entry there). Names that hold a tenant's word escape `/` and `%` in it, so no two share a name.
"""

import re

XDS = "xds"
"""The bootstrap's cluster: our own xDS, and where traces go."""

IDENTITY, BUNDLE = "identity", "bundle"
"""The two secrets of every proxy that holds a key."""

OUTBOUND, EAST_WEST = "outbound", "east-west"
"""The listener for the application's requests, and the gateway's between clusters."""

TENANTS_SDS = "static_cluster_sds_unix_socket"
"""The bootstrap's cluster for the tenant's own SDS: App Mesh's name (appmesh.md §3.4), which its image has, too."""

FILE = "file"
"""The family of secrets that are files on the proxy's host."""

EGRESS = "egress"
"""The cluster for what is in no mesh."""

DNS = "dns"
"""The listener that is asked for addresses."""

TUNNEL = "tunnel"
"""The way from a tunnel that a caller opened (CONNECT) back into `outbound`, and the listener at its end."""

ORIGINAL = "original"
"""Wherever a redirected connection was going; App Mesh's image only."""

OWN_PORT = "egress/own-port"
"""The route that keeps a proxy from calling itself."""

IMAGE_INBOUND = "lds_ingress_0.0.0.0_15000"
"""Where App Mesh's image takes all that comes for the application: App Mesh's own name (appmesh.md §3.1)."""

OTHERWISE = "otherwise"
"""The virtual host of `outbound` for names that no service has."""

NOWHERE = "nowhere"
"""A cluster that is never defined: `tcp_proxy` demands a name even where `sni_cluster` chooses, or nothing does."""

MTLS, PLAINTEXT, ELSEWHERE = "mtls", "plaintext", "elsewhere"
"""The parts of a backend for gRPC without a proxy, which knows one transport per cluster, not per endpoint."""

CREDENTIALS = "isthmus"
"""Where gRPC without a proxy has its own certificate and its trust from: an instance in its bootstrap."""

MESH_SERVICE_HEADER = "x-app-mesh-virtual-service"
"""App Mesh's own header between a gateway's two listeners (appmesh.md §3.1), here whether or not the host stays."""


_ESCAPED, _UNQUOTED = re.compile("%([0-9A-F]{2})"), re.compile(r'[\x00-\x1f"\\\x7f]')


def escaped(word: str) -> str:
    """A tenant's word as one segment of a name."""
    return word.replace("%", "%25").replace("/", "%2F")


def plain(segment: str) -> str:
    """The inverse of `escaped`, and of `quoted` too."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), segment)


def quoted(name: str) -> str:
    """A backend's name for gRPC's own client.

    C-core writes it into JSON as it is, and ends with its application where that is no JSON then (measured on 1.85).
    """
    return _UNQUOTED.sub(lambda found: f"%{ord(found[0]):02X}", name)


def inbound(port: int) -> str:
    """The listener, and its routes, before a virtual node's port."""
    return f"inbound/{port}"


def app(port: int) -> str:
    """The application itself behind a virtual node's port."""
    return f"app/{port}"


def ingress(port: int) -> str:
    """The listener, and its routes, of a virtual gateway's port."""
    return f"ingress/{port}"


def inside(port: int) -> str:
    """The way from a virtual gateway's port back into its `outbound`."""
    return f"self/{port}"


def to(cluster: str) -> str:
    """The internal listener through which another cluster's slots are reached."""
    return f"to/{cluster}"


def peer(cluster: str) -> str:
    """The east-west gateways of another cluster."""
    return f"peer/{cluster}"


def backend(node: str, port: int, service: str | None = None) -> str:
    """A port of a virtual node as its clients see it; also the name of its endpoints.

    `service`: where calls to it by this service have a client policy of their own.
    """
    return f"node/{escaped(node)}/{port}" + ("" if service is None else f"/{escaped(service)}")


def any_service(backend_name: str) -> str:
    """The port of a node that a name of `backend` is of, whatever service calls it."""
    return "/".join(backend_name.split("/")[:3])


def mtls(name: str) -> str:
    """The instances of a backend that have a proxy before them, for a client that has none itself."""
    return f"{MTLS}/{name}"


def elsewhere(name: str) -> str:
    """The instances of a backend in other clusters, for such a client."""
    return f"{ELSEWHERE}/{name}"


def plaintext(name: str) -> str:
    """The instances of a backend without a proxy, for a client that has none either."""
    return f"{PLAINTEXT}/{name}"


def of_plaintext(name: str) -> str | None:
    """The inverse of `plaintext`, of a name that may be quoted; None for every other name."""
    family, _, rest = name.partition("/")
    return "/".join(escaped(plain(segment)) for segment in rest.split("/")) if family == PLAINTEXT else None


def outbound_tcp(port: int) -> str:
    """The listener for the application's connections to a TCP port of its backends."""
    return f"{OUTBOUND}/tcp/{port}"


def outbound_vip(service_name: str, port: int, *, six: bool = False) -> str:
    """The listener for a port of a virtual service at its own address (IPv6); its routes, if it takes requests."""
    return f"{OUTBOUND}/{VIPS[six]}/{escaped(service_name)}/{port}"


VIPS = ("vip", "vip6")
"""The families of names below `outbound` for services' own addresses, of IPv4 and of IPv6."""


def tcp(service_name: str, port: int) -> str:
    """Where connections to a TCP port of a virtual service go: the terminal filter of its chain."""
    return f"tcp/{escaped(service_name)}/{port}"


def service(name: str, port: int | None = None) -> str:
    """The virtual host of a virtual service, of one port of it where it has several."""
    return f"service/{escaped(name)}" if port is None else f"service/{escaped(name)}/{port}"


def route(router: str, name: str) -> str:
    """A route of a virtual router."""
    return f"route/{escaped(router)}/{escaped(name)}"


def whole(service_name: str) -> str:
    """The one route of a virtual service that a node provides."""
    return f"service/{escaped(service_name)}"


def gateway_route(gateway: str, name: str) -> str:
    """A route of a virtual gateway."""
    return f"gateway-route/{escaped(gateway)}/{escaped(name)}"


CERTIFICATE, AUTHORITY = "certificate", "authority"
"""The families of the secrets that are managed: what a listener shows, and whom a client trusts."""


def certificate(arn: str) -> str:
    """The secret of a managed certificate: its chain and its key."""
    return f"{CERTIFICATE}/{escaped(arn)}"


def authority(*arns: str) -> str:
    """The secret with the roots of managed authorities: all of them, because a context has one set of roots."""
    return "/".join([AUTHORITY, *map(escaped, arns)])


def challenge(domain: str) -> str:
    """The answer to an ACME authority that asks for a domain."""
    return f"challenge/{escaped(domain)}"


def managed(secret: str) -> tuple[str, tuple[str, ...]] | None:
    """The inverse of `certificate` and `authority`: the family and the ARNs; None for every other secret."""
    family, *segments = secret.split("/")
    return (family, tuple(map(plain, segments))) if segments and family in (CERTIFICATE, AUTHORITY) else None


def files(half: str, *paths: str) -> str:
    """The secret of files on the proxy's host: a chain and its key, or roots; `half` is that of its view."""
    return "/".join([FILE, half, *map(escaped, paths)])


def paths(secret: str) -> tuple[str, ...]:
    """The inverse of `files`; nothing for every other secret."""
    family, _, *segments = (*secret.split("/"), "")
    return tuple(map(plain, segments[:-1])) if family == FILE else ()


def slot(listener: str, layer: str, name: str) -> str:
    """A filter slot of a listener's chains; `layer` is `http` or `tcp`, which never share a filter."""
    return f"{listener}/{layer}/{name}"


def slot_listener(name: str) -> str:
    """The listener of a slot."""
    return name.rsplit("/", 2)[0]


def east_west_chain(label: str) -> str:
    """One mesh's chain of an east-west gateway, which serves several meshes; `label` is `values.mesh_label`."""
    return f"{EAST_WEST}/{label}"


def remembered(lookup: str) -> str:
    """What is remembered of DNS for `EGRESS`: what is looked up otherwise is remembered apart."""
    return f"{EGRESS}/{lookup}"


def stat(name: str) -> str:
    """A name in statistics: a dot there would begin another metric (envoy.md §15)."""
    return name.replace("%", "%25").replace(".", "%2E")


def of_stat(text: str) -> str:
    """The inverse of `stat`."""
    return text.replace("%2E", ".").replace("%25", "%")


def listened_port(name: str, of: str) -> int | None:
    """The port in a name of `of` (`inbound`, `app`, `ingress`, `self`), or of a slot or route below it; else None."""
    head, _, rest = name.partition("/")
    port = rest.partition("/")[0]
    return int(port) if head == of and port.isdigit() else None


def connected_port(listener: str) -> int | None:
    """The port in a name of `outbound_tcp`; else None."""
    prefix = f"{OUTBOUND}/tcp/"
    port = listener.removeprefix(prefix)
    return int(port) if listener.startswith(prefix) and port.isdigit() else None


def vip_port(listener: str) -> tuple[str, int] | None:
    """The virtual service, still escaped, and the port in a name of `outbound_vip`; else None."""
    parts = listener.split("/")
    return (parts[2], int(parts[3])) if len(parts) == _OF_VIP and parts[1] in VIPS else None


def of_six(listener: str) -> bool:
    """Whether a name of `outbound_vip` is of an IPv6 address."""
    return listener.startswith(f"{OUTBOUND}/{VIPS[True]}/")


_OF_VIP = 4
"""Segments of such a name."""
