"""Every name that Envoy is told, and what the agent adds to them, leads back to a document of the mesh."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2

from isthmus.model.key import Key
from isthmus.xds import east_west, names, secrets
from isthmus.xds.consistency import wanted
from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import Here, LocalInstance
from isthmus.xds.origins import Known, of_resource, origin
from isthmus.xds.snapshot import AGENT_VIEW, TYPE_URL, Resource, Snapshot, Type
from tests.golden.cases import MESH_ID, Case, cases, resources

ALL = list(cases())
MESH = Key("Mesh", "shop")


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.path.parent.name}/{case.path.stem}")
def test_every_name_leads_to_a_document(case: Case) -> None:
    snapshot, documents = case.compiled().snapshot, {MESH, *case.definition.documents}
    known = Known.by("shop", MESH_ID, snapshot.manifest)
    lost = {
        f"{view}: {kind} {name} → {made}"
        for view in snapshot.manifest.views
        for kind, name in _named(snapshot, view)
        if (made := of_resource(kind, name, view, known)) not in documents
    }
    assert lost == set()


@pytest.mark.parametrize(
    ("name", "view", "made"),
    [
        ("inbound/8080", "node/front@1.40", Key("VirtualNode", "front")),
        ("outbound/http/fence", "node/front@1.40", Key("VirtualNode", "front")),
        ("outbound/http/fence", "gateway/edge@1.40", Key("VirtualGateway", "edge")),
        ("outbound/tcp/5432", "node/front@1.40", Key("VirtualNode", "front")),
        (names.outbound_vip("a/b", 80), "node/front@1.40", Key("VirtualService", "a/b")),
        ("outbound/vip6/db.local/5432/tcp/fence", "node/front@1.40", Key("VirtualService", "db.local")),
        ("self", "gateway/edge@1.40", Key("VirtualGateway", "edge")),
        ("node/blue/8080", "gateway/edge@1.40", Key("VirtualNode", "blue")),
        ("route/router/all", "node/front@1.40", Key("Route", "all", "router")),
        ("to/west/tcp/fence", "node/front@1.40", Key("Attachment", "west")),
        ("bundle", "node/front@1.40", MESH),
        (names.certificate("arn:a/b"), "gateway/edge@1.40", Key("VirtualGateway", "edge")),
        (names.authority("arn:a/b", "arn:c"), "node/front@1.40", Key("VirtualNode", "front")),
        (names.challenge("shop.example"), "gateway/edge@1.40", Key("VirtualGateway", "edge")),
        ("east-west/abc/tcp/access", "east-west/abc@1.40", MESH),
    ],
)
def test_a_name_leads_to_what_made_it_and_not_to_something_else(name: str, view: str, made: Key) -> None:
    assert origin(name, view, Known("shop")) == made


def test_what_the_agent_adds_leads_back_too() -> None:
    case = next(case for case in ALL if case.path.stem == "agent")
    snapshot = case.compiled().snapshot
    known = Known.by("shop", MESH_ID, snapshot.manifest)
    directory = Directory.read(resources(snapshot, AGENT_VIEW))
    assert directory is not None
    node = min(name for name, facts in directory.nodes.items() if facts.ports and facts.exported)
    instance = LocalInstance("one", node, "127.0.0.1", {port: 20000 + port for port, _ in directory.nodes[node].ports})
    slots = list(east_west.backends([instance], directory, Here("east", UUID(int=1), "us-east-1", "east")))
    view = next(view for view in snapshot.manifest.views if view.startswith("east-west/"))
    assert slots
    for slot in slots:
        assert origin(slot.name, view, known) == Key("VirtualNode", node)
        told = names.of_stat(cluster_pb2.Cluster.FromString(slot.body).alt_stat_name)
        assert origin(told, view, known) == Key("VirtualNode", node)
    for secret in (secrets.bundle({"east.example": [b"pem"]}), secrets.identity(b"chain", b"key")):
        assert of_resource(secret.type, secret.name, "node/front@1.40", known) == MESH


def _named(snapshot: Snapshot, view: str) -> Iterator[tuple[str, str]]:
    for resource in resources(snapshot, view):
        yield resource.type, resource.name
        if resource.type in TYPE_URL:
            yield from ((resource.type, name) for name in _within(resource))


def _within(resource: Resource) -> Iterator[str]:
    """The names inside a resource that statistics, refusals and logs show; and those it refers to."""
    yield from (each.name for each in wanted(resource) if each.type in TYPE_URL)
    if resource.type == Type.ROUTES:
        for host in route_pb2.RouteConfiguration.FromString(resource.body).virtual_hosts:
            yield host.name
            yield from (route.name for route in host.routes)
    elif resource.type == Type.CLUSTER:
        yield names.of_stat(cluster_pb2.Cluster.FromString(resource.body).alt_stat_name or resource.name)
    elif resource.type == Type.LISTENER:
        listener = listener_pb2.Listener.FromString(resource.body)
        yield from (chain.name for chain in listener.filter_chains if chain.name.startswith(names.EAST_WEST))
