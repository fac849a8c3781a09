"""Every name Envoy will see is spelled here and nowhere else.

Envoy warms or drains whatever changes its name, so a name holds only what identifies the thing: put a weight or a
timeout in a name and every edit of it costs the tenant their connections. Each name leads back to the resource of the
mesh that made it, so that a NACK, a metric or a log line can be told in the tenant's words (`isthmus.xds.origins`: a
new family needs its entry there). Names that hold a tenant's word escape `/` and `%` in it, so no two share a name.
"""

XDS = "xds"
"""The bootstrap's cluster: our own xDS, and where traces go."""

IDENTITY, BUNDLE = "identity", "bundle"
"""The two secrets of every proxy that holds a key."""

OUTBOUND, EAST_WEST = "outbound", "east-west"
"""The listener for the application's requests, and the gateway's between clusters."""

EGRESS = "egress"
"""The cluster for what is in no mesh."""

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

MESH_SERVICE_HEADER = "x-app-mesh-virtual-service"
"""App Mesh's own header between a gateway's two listeners (appmesh.md §3.1), here whether or not the host stays."""


def escaped(word: str) -> str:
    """A tenant's word as one segment of a name."""
    return word.replace("%", "%25").replace("/", "%2F")


def plain(segment: str) -> str:
    """The inverse of `escaped`."""
    return segment.replace("%2F", "/").replace("%25", "%")


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


def backend(node: str, port: int) -> str:
    """A port of a virtual node as its clients see it; also the name of its endpoints."""
    return f"node/{escaped(node)}/{port}"


def outbound_tcp(port: int) -> str:
    """The listener for the application's connections to a TCP port of its backends."""
    return f"{OUTBOUND}/tcp/{port}"


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


def connected_port(name: str) -> int | None:
    """The port in a name of `outbound_tcp` (or of a slot below it) or of `tcp`; else None."""
    head, _, rest = name.partition("/")
    kind, _, port = rest.partition("/")
    said = port.partition("/")[0] if (head, kind) == (OUTBOUND, "tcp") else port if head == "tcp" else ""
    return int(said) if said.isdigit() else None
