"""canary: one real Envoy that is told what drawn meshes compile to, mesh after mesh, and must take all of it.

It takes what proxies get, composed as the agent does, with endpoints and secrets; many views side by side in one push
(`lanes`). A push is accepted when every resource of it has been acked by its version, which also shows that Envoy asks
for all of it; a refusal is told in Envoy's words with the mesh that it came of, found by pushing the meshes one by one.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Self

from google.protobuf import json_format

from isthmus.model.definition import Definition
from isthmus.values import DNS_PORT, TrustDomain, slot_id
from isthmus.xds import aws_image, secrets
from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import Here, LocalInstance, RemoteCluster, RemoteNode, RemoteSlot, Topology, endpoints
from isthmus.xds.own_host import OwnHost
from isthmus.xds.proxy import AtGateway, Composed, compose_east_west, compose_gateway, compose_node
from isthmus.xds.snapshot import AGENT_VIEW, Resource, Snapshot, Type
from tests.contract.envoy.ads import Ads
from tests.contract.envoy.certificates import Domain
from tests.contract.envoy.feeding import Running, bootstrap
from tests.contract.envoy.lanes import MESSAGES, alike, side_by_side
from tests.contract.envoy.supplying import supplied
from tests.golden.cases import MESH_ID, REGIONS, resources, surroundings
from tests.until import until

Proxy = Sequence[Resource]
PROXY = "canary"
AROUND = surroundings()
FACTS = AROUND.clusters["east"]
HERE = Here("east", FACTS.id, FACTS.region, FACTS.network)
DOMAIN = Domain(TrustDomain.of("east", 1, "acme").text)
SECRETS = [secrets.bundle({DOMAIN.name: [DOMAIN.pem]}), DOMAIN.identity(f"spiffe://{DOMAIN.name}/mesh/shop/node/a")]
PATIENCE = 30.0
"""Seconds until a push that Envoy has neither acked nor refused counts as not accepted."""

CROSS_CHECK = 25
"""Every so many pushes Envoy's own `config_dump` is asked what it has."""


def proxies(definition: Definition, snapshot: Snapshot, seed: int) -> Iterator[Proxy]:
    """What each kind of proxy of a mesh gets in east, for every view: endpoints by chance, ours or App Mesh's image."""
    directory = Directory.read(resources(snapshot, AGENT_VIEW))
    if directory is None:
        return
    random = Random(seed)
    topology = Topology(_local(definition, random), _remote(definition, random))
    known = endpoints(directory, topology, HERE)
    plain = endpoints(directory, Topology(tuple(_bare(each) for each in topology.local)), HERE)
    for view in snapshot.manifest.views:
        listed = list(resources(snapshot, view))
        role, _, rest = view.partition("/")
        name = rest.rpartition("@")[0]
        if role == "east-west":
            at = AtGateway(listed, directory, topology.local)
            yield _bodies(compose_east_west([at], HERE, "127.0.0.1", 15443))
        elif role == "node":
            ports = {port: 20000 + i for i, (port, _) in enumerate(directory.nodes[name].ports)}
            instance = LocalInstance("one", name, "127.0.0.1", ports)
            own = OwnHost(low_ports=True, dns=DNS_PORT) if random.randrange(2) else None
            yield [*_bodies(compose_node(listed, known, instance, SECRETS[0], own_host=own)), SECRETS[1]]
            if directory.facts.permissive and random.randrange(4) == 0:
                yield _bodies(aws_image.compose_node(listed, plain))
        elif role == "gateway":
            ports = {port: 20000 + i for i, port in enumerate(directory.gateways[name])}
            instance = LocalInstance("one", name, "127.0.0.1", ports)
            yield [*_bodies(compose_gateway(listed, known, instance, SECRETS[0])), SECRETS[1]]
            if directory.facts.permissive and random.randrange(4) == 0:
                yield _bodies(aws_image.compose_gateway(listed, plain))


def _bodies(composed: Iterable[Composed]) -> list[Resource]:
    return supplied(each.resource for each in composed)


def _listens(definition: Definition) -> Mapping[str, tuple[int, ...]]:
    return {
        key.name: tuple(mapping.port for mapping in document.spec.ports)  # type: ignore[attr-defined]
        for key, document in definition.documents.items()
        if key.kind == "VirtualNode"
    }


def _local(definition: Definition, random: Random) -> tuple[LocalInstance, ...]:
    """None, one or two instances of each node, with or without a proxy before them."""
    return tuple(
        LocalInstance(
            f"{name[:20]}-{i}",
            name,
            f"10.0.0.{i + 1}",
            {port: 21000 + port % 100 for port in ports} if random.randrange(3) else {},
            random.choice(("", "a")),
            random.choice(("healthy", "unhealthy", "draining")),
            random.choice((0, 1, 7)),
        )
        for name, ports in _listens(definition).items()
        for i in range(random.randrange(3))
    )


def _remote(definition: Definition, random: Random) -> tuple[RemoteCluster, ...]:
    """The other clusters: behind a gateway or in our network, with slots or above their cap."""
    made = []
    for name in REGIONS:
        if name == "east" or random.randrange(4) == 0:
            continue
        nodes = {}
        for node, ports in _listens(definition).items():
            near = {"address": "10.1.0.1", "inbound": {port: port for port in ports}} if random.randrange(2) else {}
            slot = slot_id(AROUND.clusters[name].id, MESH_ID, node, "one")
            slots = tuple(RemoteSlot(slot, ports=ports, **near) for _ in range(random.randrange(2)))  # type: ignore[arg-type]
            nodes[node] = RemoteNode(slots, len(slots) + random.randrange(2))
        network = random.choice((name, HERE.network))
        made.append(RemoteCluster(name, REGIONS[name], network, "live", ("10.2.0.1:15443",), nodes))
    return tuple(made)


def _bare(instance: LocalInstance) -> LocalInstance:
    return LocalInstance(instance.name, instance.node, instance.address)


@dataclass
class Tally:
    """What was accepted, in numbers."""

    meshes: int = 0
    proxies: int = 0
    pushes: int = 0
    resources: Counter[str] = field(default_factory=Counter)

    @property
    def line(self) -> str:
        each = ", ".join(f"{number} {kind}" for kind, number in sorted(self.resources.items()))
        return f"{self.meshes} meshes, {self.proxies} proxies in {self.pushes} pushes; acked: {each}"


_COUNTS_NOTHING = {"stats_config": {"stats_matcher": {"reject_all": True}}}
"""Half of what Envoy does for a listener or a cluster that comes and goes is to make its statistics."""


class Refused(AssertionError):
    """Envoy does not take what a mesh compiles to."""


class Canary:
    """The Envoy and its feed."""

    def __init__(self) -> None:
        self._running: tuple[Ads, Running] | None = None
        self.tally = Tally()

    def stop(self) -> None:
        """Leaves nothing running."""
        if self._running is not None:
            self._running[1].stop()
            self._running[0].stop()
            self._running = None

    def _started(self, given: Sequence[Resource]) -> tuple[Ads, Running]:
        """A fresh one for the first push and after a refusal, of which something may have stayed."""
        ads = Ads()
        ads.give(PROXY, given)
        return ads, Running(lambda admin: {**bootstrap(PROXY, ads.port, admin), **_COUNTS_NOTHING})

    def accepts(self, meshes: Sequence[tuple[str, Sequence[Proxy]]]) -> None:
        """`Refused` if it does not take all of these, each (what to call it, its proxies), pushed at once."""
        words = self._push([proxy for _, listed in meshes for proxy in listed])
        if words and len(meshes) > 1:
            for called, listed in meshes:
                self.accepts([(called, listed)])
            raise Refused(f"these together, none alone: {[called for called, _ in meshes]}: {words}")
        if words:
            raise Refused(f"{meshes[0][0]}: {words}")
        self.tally.meshes += len(meshes)
        self.tally.proxies += sum(len(listed) for _, listed in meshes)

    def _push(self, listed: Sequence[Proxy]) -> str:
        """Envoy's words if it refuses; empty once it has acked every resource, each at the version that was given."""
        given = side_by_side(sorted(listed, key=alike))
        if self._running is None:
            self._running = self._started(given)
        ads, envoy = self._running
        ads.give(PROXY, given)
        words = _waited(ads) or self._cross_checked(given, envoy)
        if words:
            self.stop()
        else:
            self.tally.pushes += 1
            self.tally.resources.update(Counter(str(resource.type) for resource in given))
        return words

    def _cross_checked(self, given: Sequence[Resource], envoy: Running) -> str:
        return _unlike(given, envoy) if self.tally.pushes % CROSS_CHECK == 0 else ""

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        """One, stopped at the end."""
        made = cls()
        try:
            yield made
        finally:
            made.stop()


def _waited(ads: Ads) -> str:
    """Envoy's words, or what it has not acked in time, or nothing."""
    try:
        until(lambda: bool(ads.refused) or ads.acked(PROXY), PATIENCE, 0.002)
    except AssertionError:
        if not ads.refused:
            return f"not acked within {PATIENCE} s: {ads.missing(PROXY)}"
    return "; ".join(ads.refused)


def _unlike(given: Sequence[Resource], envoy: Running) -> str:
    """What Envoy itself says it has, where that is not what was given: nothing else and nothing less.

    By content: a listener whose filter chains alone changed keeps its old version in `config_dump` (Envoy 1.40).
    """
    wanted = {(r.type, r.name): _json(r) for r in given if r.type in _DUMPED}
    has: dict[tuple[Type, str], Any] = {}

    def same() -> bool:
        has.clear()
        has.update(_dumped(json.loads(envoy.admin("/config_dump"))))
        return has == wanted

    try:
        until(same, PATIENCE, 0.2)
    except AssertionError:
        differing = sorted(key for key in has.keys() | wanted.keys() if has.get(key) != wanted.get(key))
        return f"acked, but config_dump differs in {differing[:5]}"
    return ""


_DUMPED = (Type.CLUSTER, Type.LISTENER, Type.ROUTES)


def _dumped(dump: Mapping[str, Any]) -> Iterator[tuple[tuple[Type, str], Any]]:
    """What an Envoy runs now, by type and name; what still warms or drains is not in it."""
    for section in dump["configs"]:
        for cluster in section.get("dynamic_active_clusters", ()):
            yield _named(Type.CLUSTER, cluster["cluster"])
        for listener in section.get("dynamic_listeners", ()):
            if state := listener.get("active_state"):
                yield _named(Type.LISTENER, state["listener"])
        for routes in section.get("dynamic_route_configs", ()):
            yield _named(Type.ROUTES, routes["route_config"])


def _json(resource: Resource) -> Any:  # noqa: ANN401 - JSON
    message = MESSAGES[resource.type].FromString(resource.body)
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def _named(kind: Type, body: Mapping[str, Any]) -> tuple[tuple[Type, str], Any]:
    return (kind, body["name"]), {member: value for member, value in body.items() if member != "@type"}
