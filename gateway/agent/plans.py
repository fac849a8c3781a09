"""plans: what one proxy is to have, made from a recipe: a value that holds all of its inputs.

Equal recipes make equal plans, so nothing is composed twice. Meshes and what they share compare by identity: they are
replaced, never changed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from gateway.agent.acks import Proof, Target, ViewVersion
from gateway.agent.bare import Bare
from gateway.agent.discovery import Gateway
from gateway.agent.inventory import Workload
from gateway.agent.offers import Mesh
from gateway.agent.world import Place
from gateway.proto import link_pb2 as link
from gateway.proto.host_pb2 import ProxyState
from isthmus.ir.families import Families
from isthmus.ir.found import Discovery
from isthmus.values import TrustDomain
from isthmus.xds import aws_image, names, proxyless
from isthmus.xds.aws_image import Capture
from isthmus.xds.challenges import Challenge
from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import LocalInstance
from isthmus.xds.managed import secrets_of
from isthmus.xds.own_host import OwnHost
from isthmus.xds.proxy import (
    DEFAULT_OUTBOUND,
    AtGateway,
    Composed,
    compose_east_west,
    compose_gateway,
    compose_node,
    unbound_vips,
)
from isthmus.xds.resolved import Resolved
from isthmus.xds.snapshot import Resource, Type, digest, view_id
from isthmus.xds.withheld import Ready, ready
from isthmus.xds.without_proxy import Way, ways

NODE, GATEWAY, EAST_WEST = "node", "gateway", "east-west"
PROXYLESS = "proxyless"
"""The role of an application that is its own xDS client, as its warden is told it. Its view is its node's."""


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """What the proxies of one mesh share: its instances here, and the endpoints of everything they may call."""

    directory: Directory
    imports: link.Imports | None
    local: tuple[LocalInstance, ...]
    endpoints: Mapping[str, Resource]
    crowded: Mapping[str, Sequence[LocalInstance]] = field(default_factory=dict)
    """The instances of each address that has several."""
    bare: Bare = field(default_factory=dict)
    unbound: Mapping[str, Discovery] = field(default_factory=dict)
    """What is asked for nodes without instances."""
    resolved: Mapping[str, Resolved] = field(default_factory=dict)
    """And what came of it."""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The recipe of a proxy before an instance, or of a virtual gateway's Envoy.

    `managed`: those of the managed secrets it names that are there; `challenges`: what a gateway answers first.
    `own_host`: what it may bind beside its own ports; None if others share its host.
    """

    mesh: Mesh
    shared: Shared
    workload: Workload
    roots: Resource
    minor: str
    trust_domain: str
    managed: tuple[Resource, ...] = ()
    challenges: tuple[Challenge, ...] = ()
    own_host: OwnHost | None = None

    @property
    def view(self) -> str:
        """The view's id."""
        return view_id(self.workload.role, self.workload.of, self.minor)

    def plan(self) -> "Plan":
        """Its view, bound to its addresses, under the identity of its node."""
        work, domain, mesh_name = self.workload, TrustDomain(self.trust_domain), self.mesh.directory.facts.name
        view, instance = self.view, local(work, self.mesh.directory)
        resources, managed, withheld = self._ready()
        if work.role == NODE:
            outbound = DEFAULT_OUTBOUND if work.instance.outbound is None else work.instance.outbound
            beside = self._beside(instance)
            composed = compose_node(
                resources, self.shared.endpoints, instance, self.roots, outbound, beside, self.own_host
            )
            identity = domain.node(mesh_name, work.of)
        else:
            composed = compose_gateway(resources, self.shared.endpoints, instance, self.roots, self.challenges)
            identity = domain.gateway(mesh_name, work.of)
        composed += [Composed(secret, proven=False) for secret in managed]
        state = ProxyState(
            proxy=instance.name, identity=identity, minor=self.minor, role=work.role, node=work.of, mesh=work.mesh
        )
        proved = frozenset({ViewVersion(work.mesh, view, self.mesh.versions[view])})
        made = _plan(self, work.instance.host, state, composed, proved, _inbound(composed, instance))
        lacks = () if self.own_host is None else tuple(unbound_vips(resources, self.own_host))
        return replace(made, withheld=withheld, lacks=lacks)

    def _ready(self) -> Ready:
        """Its view, without what waits for managed certificates; most views name none."""
        resources = self.mesh.view(self.view)
        return ready(resources, self.managed) if self.view in self.mesh.secrets else Ready(list(resources), [])

    def _beside(self, instance: LocalInstance) -> frozenset[int]:
        """The TCP ports that proxies at the same address have before this one, by name: a port has one proxy."""
        others = [each for each in self.shared.crowded.get(instance.address, ()) if each.name < instance.name]
        views = (self.mesh.view(view_id(NODE, other.node, self.minor)) for other in others)
        ports = (names.connected_port(r.name) for view in views for r in view if r.type == Type.LISTENER)
        return frozenset(port for port in ports if port is not None)


@dataclass(frozen=True, slots=True)
class Served:
    """One mesh at an east-west gateway."""

    id: str
    mesh: Mesh
    shared: Shared
    minor: str

    @property
    def view(self) -> str:
        """The view's id."""
        return view_id(EAST_WEST, self.mesh.directory.facts.label, self.minor)

    @property
    def proved(self) -> ViewVersion:
        """What an ACK says of this mesh."""
        return ViewVersion(self.id, self.view, self.mesh.versions[self.view])


@dataclass(frozen=True, slots=True)
class EastWest:
    """The recipe of an east-west gateway: every mesh's view merged. It holds no key and has no identity."""

    served: tuple[Served, ...]
    gateway: Gateway
    place: Place

    def plan(self) -> "Plan":
        """The chains of all meshes on one listener, and a backend for each slot."""
        at = [AtGateway(s.mesh.view(s.view), s.mesh.directory, s.shared.local) for s in self.served]
        composed = compose_east_west(at, self.place.here, self.gateway.address, self.gateway.port)
        state = ProxyState(proxy=self.gateway.name, minor=self.served[0].minor, role=EAST_WEST)
        return _plan(self, self.gateway.host, state, composed, frozenset(s.proved for s in self.served))


@dataclass(frozen=True, slots=True, eq=False)
class Plain:
    """What the images of one mesh may call: whatever is in this cluster, in plaintext. Made from `of`."""

    of: Shared
    endpoints: Mapping[str, Resource]
    bare: Bare


@dataclass(frozen=True, slots=True)
class Image:
    """The recipe of an Envoy of App Mesh's image. It has no warden, so no host of ours, no key and no identity."""

    mesh: Mesh
    plain: Plain
    workload: Workload
    minor: str
    capture: Capture
    managed: tuple[Resource, ...] = ()

    def plan(self) -> "Plan":
        """Its view, behind App Mesh's iptables rules; managed secrets as far as what comes of it names them."""
        work = self.workload
        view = view_id(work.role, work.of, self.minor)
        made = aws_image.compose_node if work.role == NODE else aws_image.compose_gateway
        resources, managed, withheld = ready(self.mesh.view(view), self.managed, whole=True)
        capture = aws_image.of_families(self.capture, families(work, self.mesh.directory))
        composed = made(resources, self.plain.endpoints, capture)
        named = {name for each in composed for name in secrets_of(each.resource)}
        composed += [Composed(secret, proven=False) for secret in managed if secret.name in named]
        state = ProxyState(proxy=work.instance.name, minor=self.minor, role=work.role, node=work.of, mesh=work.mesh)
        proved = frozenset({ViewVersion(work.mesh, view, self.mesh.versions[view])})
        return replace(_plan(self, "", state, composed, proved), withheld=withheld)


@dataclass(frozen=True, slots=True)
class Proxyless:
    """The recipe of an application that calls by gRPC's own xDS client. It has an identity, and no listeners."""

    mesh: Mesh
    shared: Shared
    workload: Workload
    roots: Resource
    minor: str
    trust_domain: str

    def plan(self) -> "Plan":
        """Its node's view, in gRPC's words."""
        work, view = self.workload, view_id(NODE, self.workload.of, self.minor)
        told = proxyless.compose(self.mesh.view(view), self.shared.endpoints, self.roots)
        identity = TrustDomain(self.trust_domain).node(self.mesh.directory.facts.name, work.of)
        name, mesh = work.instance.name, work.mesh
        state = ProxyState(proxy=name, identity=identity, minor=self.minor, role=PROXYLESS, node=work.of, mesh=mesh)
        proved = frozenset({ViewVersion(mesh, view, self.mesh.versions[view])})
        return replace(_plan(self, work.instance.host, state, told.composed, proved), lacks=told.lacks)


Recipe: TypeAlias = Sidecar | EastWest | Image | Proxyless


@dataclass(frozen=True, slots=True)
class Plan:
    """What one proxy of `host` is to have; `resources` by version; `withheld` waits for managed certificates.

    `bare`: the backends of which it may call instances without a proxy, and how. `lacks`: what of the definition it
    cannot do, a sentence each.
    """

    recipe: Recipe
    host: str
    state: ProxyState
    target: Target
    resources: Mapping[str, Resource]
    bare: Mapping[str, Way]
    withheld: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


def local(workload: Workload, directory: Directory) -> LocalInstance:
    """A workload as its own listeners are made from it."""
    i, wanted = workload.instance, families(workload, directory)
    return LocalInstance(i.name, workload.of, i.address, i.ports, i.zone, i.health.value, also=i.also, families=wanted)


def families(workload: Workload, directory: Directory) -> Families:
    """Of IP, as its node or else its mesh wants them; a gateway says none of its own."""
    node = directory.nodes.get(workload.of) if workload.role == NODE else None
    return directory.facts.families if node is None else node.families


def _inbound(composed: Sequence[Composed], instance: LocalInstance) -> frozenset[tuple[int, int]]:
    """Where the proxy of a node's instance listens: a gateway has no such listeners."""
    listeners = (each.resource.name for each in composed if each.resource.type == Type.LISTENER)
    ports = (names.listened_port(name, "inbound") for name in listeners)
    return frozenset((port, instance.ports[port]) for port in ports if port is not None)


def _plan(
    recipe: Recipe,
    on: str,
    state: ProxyState,
    composed: Sequence[Composed],
    proved: frozenset[ViewVersion],
    ports: frozenset[tuple[int, int]] = frozenset(),
) -> Plan:
    """Endpoints and bundles come and go without a revision; everything else is proven by its ACK, files of keys too.

    So are a gateway's backends: a slot is exported only when the gateway acked the backend for it (design §4).
    """
    listed = sorted(((each.resource.ref, each.resource) for each in composed), key=lambda pair: pair[0])
    proven = sorted(each.resource.ref for each in composed if each.proven)
    for ref, _ in listed:
        state.refs.add(type=ref.type, name=ref.name, version=ref.version, proven=ref in proven)
    state.definition = digest(json.dumps(proven).encode())
    picks = frozenset(ref.name for ref in proven if ref.type == Type.CLUSTER and state.role == EAST_WEST)
    target = Target(state.definition, Proof(proved, picks, ports), frozenset(proven))
    bare = ways((resource for _, resource in listed), image=isinstance(recipe, Image))
    return Plan(recipe, on, state, target, {ref.version: resource for ref, resource in listed}, bare)
