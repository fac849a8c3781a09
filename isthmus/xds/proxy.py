"""proxy: everything one Envoy gets: its view of the definition, made local, with endpoints and the trust bundle.

Pure, so the agent may compose again whenever anything changed and send only what differs. A resource is *proven* if
something waits for its ACK: a revision for what is definition, an export for the gateway's backend (design §4). Nothing
waits for endpoints and bundles.
What a proxy would never ask for is left out (a port without an inbound port here, a TCP port that is taken, services'
own addresses where it shares its host), because it would never be acked. So is a service's own address at a port that
the instance's application has, and a name of which no port is bound is the host's to answer, as without a proxy.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from isthmus.values import OUTBOUND_PORT
from isthmus.xds import dns, dual, east_west, egress, names, vips
from isthmus.xds.challenges import Challenge, answering
from isthmus.xds.consistency import asked_for
from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import Here, LocalInstance, app_endpoints, nothing, renamed
from isthmus.xds.localise import bound
from isthmus.xds.own_host import OwnHost
from isthmus.xds.snapshot import Resource, Type

DEFAULT_OUTBOUND = OUTBOUND_PORT


class Composed(NamedTuple):
    """A resource that a proxy gets, and whether its ACK is waited for."""

    resource: Resource
    proven: bool


class AtGateway(NamedTuple):
    """One mesh at an east-west gateway: its `east-west` view, its directory, and its instances in this cluster."""

    view: Sequence[Resource]
    directory: Directory
    local: Sequence[LocalInstance]


def compose_node(
    view: Iterable[Resource],
    endpoints: Mapping[str, Resource],
    instance: LocalInstance,
    bundle: Resource,
    outbound: int = DEFAULT_OUTBOUND,
    beside: Container[int] = (),
    own_host: OwnHost | None = None,
) -> list[Composed]:
    """A sidecar's resources: `view` is `node/<node>@<minor>`, `endpoints` from `isthmus.xds.endpoints.endpoints`.

    `inbound/<port>` listens at the instance's inbound port and hands to the application at the listener's port, both
    at the instance's address; `outbound` at `outbound` there, and `outbound/tcp/<port>` at that port unless it is
    taken: a listener that cannot bind is refused. `beside`: the TCP ports that other proxies have at this address.
    `own_host`: what the proxy binds besides, if it has its host for itself.
    """
    listed = list(view)
    own = _own(listed)
    taken = own | set(instance.ports.values()) | {outbound}
    served = (r for r in listed if _served(r.name, ("inbound", "app"), instance))
    kept = asked_for([r for r in served if r.type != Type.LISTENER or _binds(r.name, own_host, own, taken, beside)])
    vips_bound = {vips.address(r) for r in kept if r.type == Type.LISTENER and names.vip_port(r.name)}
    local = [_localised(r, instance, outbound, own_host, vips_bound) for r in kept]
    apps = {p: app_endpoints(p, instance.address) for p in instance.ports}
    answers = {**endpoints, **{r.name: r for r in apps.values()}}
    return [*local, *_assignments(kept, answers), Composed(bundle, proven=False)]


def unbound_vips(view: Iterable[Resource], own_host: OwnHost) -> Iterator[str]:
    """What a proxy with its host for itself does not take at services' own addresses, a sentence for each reason."""
    listed = list(view)
    own = _own(listed)
    at_vips = {vip for r in listed if r.type == Type.LISTENER and (vip := names.vip_port(r.name)) is not None}
    for why, left in (
        ("the application's own", [vip for vip in at_vips if vip[1] in own]),
        ("below 1024, for which it needs `low_ports`", [v for v in at_vips if not own_host.binds(v[1])]),
    ):
        if left:
            told = ", ".join(f"{names.plain(service)}:{port}" for service, port in sorted(left))
            yield f"not taken at services' own addresses, because the port is {why}: {told}"


def compose_gateway(
    view: Iterable[Resource],
    endpoints: Mapping[str, Resource],
    instance: LocalInstance,
    bundle: Resource,
    challenges: Sequence[Challenge] = (),
) -> list[Composed]:
    """A gateway's resources: `view` is `gateway/<name>@<minor>`; `ingress/<port>` binds `instance.ports[port]`.

    With `challenges` the routes of its ports answer them first; such routes are no revision's, so none waits for them.
    """
    kept = asked_for([r for r in view if _served(r.name, ("ingress", "self"), instance)])
    local = [_answering(_localised(r, instance, None), challenges) for r in kept]
    return [*local, *_assignments(kept, endpoints), Composed(bundle, proven=False)]


def compose_east_west(meshes: Iterable[AtGateway], here: Here, address: str, port: int) -> list[Composed]:
    """An east-west gateway's resources: the chains of all meshes on one listener, and a backend for each slot.

    It holds no key, so there is no bundle. Backends follow the instances.
    """
    listed = sorted(meshes, key=lambda m: m.directory.facts.label)
    views = [r for mesh in listed for r in mesh.view]
    listeners = [r for r in views if r.type == Type.LISTENER]
    out = [Composed(r, proven=True) for r in views if r.type != Type.LISTENER]
    if listeners:
        out.insert(0, Composed(bound(east_west.merged(listeners), address, port), proven=True))
    for mesh in listed:
        out += [Composed(r, proven=True) for r in east_west.backends(mesh.local, mesh.directory, here)]
    return out


def _served(name: str, families: Sequence[str], instance: LocalInstance) -> bool:
    """Whether a resource of a port is of one that this instance has; resources of no port are always."""
    ports = [port for family in families if (port := names.listened_port(name, family)) is not None]
    return all(port in instance.ports for port in ports)


def _own(view: Iterable[Resource]) -> set[int]:
    """The ports of the application, also those whose listener waits for a certificate."""
    ports = (names.listened_port(r.name, "app") for r in view if r.type == Type.CLUSTER)
    return {port for port in ports if port is not None}


def _binds(listener: str, own_host: OwnHost | None, own: Container[int], *taken: Container[int]) -> bool:
    """Whether a listener is one that this proxy can have."""
    if listener == names.DNS:
        return own_host is not None and own_host.dns is not None
    vip = names.vip_port(listener)
    if vip is not None:
        return own_host is not None and vip[1] not in own and own_host.binds(vip[1], six=names.of_six(listener))
    port = names.connected_port(listener)
    return port is None or not any(port in each for each in taken)


def _localised(
    resource: Resource,
    instance: LocalInstance,
    outbound: int | None,
    own_host: OwnHost | None = None,
    vips_bound: Container[str] = (),
) -> Composed:
    if resource.name == names.DNS and own_host is not None and own_host.dns is not None:
        return Composed(dns.localised(resource, instance.address, own_host, vips_bound), proven=True)
    if resource.type == Type.ROUTES and resource.name == names.OUTBOUND and outbound not in (None, DEFAULT_OUTBOUND):
        return Composed(egress.localised(resource, outbound), proven=True)
    port = _port(resource.name, instance, outbound) if resource.type == Type.LISTENER else None
    if port is None:
        return Composed(resource, proven=True)
    first, *others = dual.listened(instance.addresses, instance.families)
    return Composed(bound(resource, first, port, others), proven=True)


def _port(listener: str, instance: LocalInstance, outbound: int | None) -> int | None:
    """Where a listener binds; None for internal ones, which bind nowhere."""
    if listener == names.OUTBOUND:
        return outbound
    for family in ("inbound", "ingress"):
        port = names.listened_port(listener, family)
        if port is not None:
            return instance.ports[port]
    return names.connected_port(listener)


def _answering(composed: Composed, challenges: Sequence[Challenge]) -> Composed:
    made = composed.resource
    if not challenges or made.type != Type.ROUTES or names.listened_port(made.name, "ingress") is None:
        return composed
    return Composed(answering(made, challenges), proven=False)


_WITH_ENDPOINTS = ("app/", "node/", "peer/")


def _assignments(view: Iterable[Resource], answers: Mapping[str, Resource]) -> Iterator[Composed]:
    for resource in view:
        if resource.type == Type.CLUSTER and resource.name.startswith(_WITH_ENDPOINTS):
            yield Composed(_answer(resource.name, answers), proven=False)


def _answer(backend: str, answers: Mapping[str, Resource]) -> Resource:
    """The endpoints of a backend; one that a single service calls has those of the port that it is of."""
    port = names.any_service(backend)
    if port == backend or port not in answers:
        return answers.get(backend) or nothing(backend)
    return renamed(answers[port], backend)
