"""Proxies: everything one Envoy gets, bound to where it stands, and nothing that it would never ask for."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from uuid import UUID

import pytest
import re2
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2

from isthmus.model.definition import Definition
from isthmus.values import ANY, slot_id
from isthmus.wire import Sni
from isthmus.xds import secrets
from isthmus.xds.compile import compile_mesh
from isthmus.xds.consistency import wanted
from isthmus.xds.decoded import decoded
from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import Here, LocalInstance, Topology, endpoints
from isthmus.xds.own_host import OwnHost
from isthmus.xds.proxy import AtGateway, Composed, compose_east_west, compose_gateway, compose_node
from isthmus.xds.snapshot import AGENT_VIEW, Resource, Type, view_id
from tests import build
from tests.golden.cases import surroundings

BUNDLE = secrets.bundle({"east-1.acme.isthmus.internal": [b"-----BEGIN CERTIFICATE-----"]})
HERE = Here("east", UUID(int=0), "us-east-1", "east")
BLUE = LocalInstance("blue-1", "blue", "10.0.0.1", {8080: 15006})
EDGE = LocalInstance("edge-1", "ingress", "10.0.0.9", {9080: 80})


def compiled(definition: Definition | None = None) -> Mapping[str, list[Resource]]:
    """The views of a mesh in east."""
    snapshot = compile_mesh(definition or build.mesh(), surroundings(), "east").snapshot
    return {v: [snapshot.resources[r.version] for r in snapshot.manifest.refs(v)] for v in snapshot.manifest.views}


def directory(views: Mapping[str, list[Resource]]) -> Directory:
    found = Directory.read(views[AGENT_VIEW])
    assert found is not None
    return found


def listening(composed: Iterable[Composed]) -> dict[str, str]:
    """Where each listener binds; internal ones nowhere."""
    out = {}
    for each in composed:
        if each.resource.type == Type.LISTENER:
            message = listener_pb2.Listener.FromString(each.resource.body)
            at = message.address.socket_address
            out[message.name] = f"{at.address}:{at.port_value}" if message.HasField("address") else "inside"
    return out


def proven(composed: Iterable[Composed]) -> set[str]:
    return {each.resource.type for each in composed if each.proven}


def named(composed: Iterable[Composed], kind: Type) -> set[str]:
    return {each.resource.name for each in composed if each.resource.type == kind}


def test_a_sidecar_listens_where_its_instance_is() -> None:
    views = compiled()
    composed = compose_node(views["node/blue@1.40"], {}, BLUE, BUNDLE, outbound=15101)
    assert listening(composed) == {"inbound/8080": "10.0.0.1:15006", "outbound": "10.0.0.1:15101"}


def test_every_backend_has_endpoints_even_if_nothing_is_known_of_it() -> None:
    views = compiled()
    known = endpoints(directory(views), Topology([BLUE]), HERE)
    front = LocalInstance("front-1", "front", "10.0.0.2", {8080: 15006})
    for answers in (known, {}):
        composed = compose_node(views["node/front@1.40"], answers, front, BUNDLE)
        assert named(composed, Type.ENDPOINTS) == named(composed, Type.CLUSTER) - {"tunnel"}


def test_what_is_definition_is_proven_and_what_comes_and_goes_is_not() -> None:
    composed = compose_node(compiled()["node/front@1.40"], {}, BLUE, BUNDLE)
    assert proven(composed) == {Type.LISTENER, Type.ROUTES, Type.CLUSTER, Type.EXTENSION}
    assert {e.resource.type for e in composed if not e.proven} == {Type.ENDPOINTS, Type.SECRET}


def test_a_port_without_an_inbound_port_is_left_out_with_all_that_nobody_would_ask_for() -> None:
    views = compiled(build.mesh(build.node("blue", ports={8080: "http", 9090: "tcp"})))
    composed = compose_node(views["node/blue@1.40"], {}, BLUE, BUNDLE)
    assert set(listening(composed)) == {"inbound/8080", "outbound"}
    assert not [e.resource.name for e in composed if "9090" in e.resource.name]


def test_a_gateway_binds_its_own_ports_and_keeps_its_way_inside() -> None:
    composed = compose_gateway(compiled()["gateway/ingress@1.40"], {}, EDGE, BUNDLE)
    assert listening(composed) == {"ingress/9080": "10.0.0.9:80", "outbound": "inside", "to/west": "inside"}


def test_an_east_west_gateway_has_a_backend_for_each_slot_and_one_for_any() -> None:
    views = compiled()
    at, facts = at_gateway(views, [BLUE]), directory(views).facts
    composed = compose_east_west([at], HERE, "192.0.2.1", 15443)
    service = directory(views).nodes["blue"].service
    slot = slot_id(HERE.cluster_id, facts.id, "blue", "blue-1")
    assert named(composed, Type.CLUSTER) == {Sni(s, 8080, service, facts.label).text() for s in (slot, ANY)}
    assert listening(composed) == {"east-west": "192.0.2.1:15443"}


@pytest.mark.parametrize(
    ("definition", "instance"),
    [
        (build.mesh(), LocalInstance("blue-1", "blue", "10.0.0.1")),
        (build.mesh(build.placement("blue", "west")), BLUE),
        (build.mesh(settings={"exports": "listed"}), BLUE),
        (build.mesh(), LocalInstance("blue-1", "blue", "10.0.0.1", {7070: 15006})),
    ],
    ids=["no proxy before it", "not placed here", "not exported", "not a port of its node"],
)
def test_an_east_west_gateway_has_no_backend_for_an_instance(definition: Definition, instance: LocalInstance) -> None:
    composed = compose_east_west([at_gateway(compiled(definition), [instance])], HERE, "192.0.2.1", 15443)
    assert named(composed, Type.CLUSTER) == set()


def test_two_meshes_share_an_east_west_gateway_without_a_name_in_common() -> None:
    views = compiled()
    other = compile_mesh(build.mesh(name="other"), replace(surroundings(), mesh_id=UUID(int=99)), "east").snapshot
    others = {v: [other.resources[r.version] for r in other.manifest.refs(v)] for v in other.manifest.views}
    composed = compose_east_west([at_gateway(views, [BLUE]), at_gateway(others, [BLUE])], HERE, "192.0.2.1", 15443)
    (listener,) = [e.resource for e in composed if e.resource.type == Type.LISTENER]
    chains = listener_pb2.Listener.FromString(listener.body).filter_chains
    assert len({tuple(c.filter_chain_match.server_names) for c in chains}) == 2
    keys = [(e.resource.type, e.resource.name) for e in composed]
    assert len(keys) == len(set(keys))
    assert len(named(composed, Type.CLUSTER)) == 4


def test_backends_of_an_east_west_gateway_count_in_statistics_by_node() -> None:
    composed = compose_east_west([at_gateway(compiled(), [BLUE])], HERE, "192.0.2.1", 15443)
    clusters = [cluster_pb2.Cluster.FromString(e.resource.body) for e in composed if e.resource.type == Type.CLUSTER]
    assert {c.alt_stat_name.rpartition("/")[0] for c in clusters} == {"node/blue/8080"}


def at_gateway(views: Mapping[str, list[Resource]], local: list[LocalInstance]) -> AtGateway:
    facts = directory(views)
    return AtGateway(views[view_id("east-west", facts.facts.label, "1.40")], facts, local)


DB = build.node("db", port=5432, protocol="tcp")
CALLS_DB = (DB, build.service("db.local", node="db"), build.node("front", ports={8080: "http"}, backends=["db.local"]))


def test_a_sidecar_takes_connections_at_the_port_of_a_backend() -> None:
    front = LocalInstance("front-1", "front", "10.0.0.2", {8080: 15006})
    composed = compose_node(compiled(build.mesh(*CALLS_DB))["node/front@1.40"], {}, front, BUNDLE)
    assert listening(composed)["outbound/tcp/5432"] == "10.0.0.2:5432"
    assert "tcp/db.local/5432" in named(composed, Type.EXTENSION)


@pytest.mark.parametrize(
    ("front", "ports", "outbound"),
    [
        ({8080: "http"}, {8080: 5432}, 15001),
        ({8080: "http"}, {8080: 15006}, 5432),
        ({5432: "tcp"}, {5432: 15006}, 15001),
        ({8080: "http", 5432: "tcp"}, {8080: 15006}, 15001),
    ],
    ids=["its proxy takes calls there", "its proxy takes requests there", "its own", "its own, without a proxy"],
)
def test_a_tcp_port_that_is_taken_is_left_out_with_all_that_nobody_would_ask_for(
    front: Mapping[int, str], ports: Mapping[int, int], outbound: int
) -> None:
    mesh = build.mesh(*CALLS_DB, build.node("front", ports=front, backends=["db.local"]))
    instance = LocalInstance("front-1", "front", "10.0.0.2", ports)
    composed = compose_node(compiled(mesh)["node/front@1.40"], {}, instance, BUNDLE, outbound)
    assert "outbound/tcp/5432" not in listening(composed)
    assert [n for n in named(composed, Type.EXTENSION) if n.startswith(("outbound/tcp/", "tcp/"))] == []


SHARED_PORT = build.mesh(
    *CALLS_DB,
    build.node("cache", ports={5432: "tcp", 80: "http"}),
    build.service("cache.local", node="cache"),
    build.node("front", backends=["db.local", "cache.local"]),
)
TABLES_AND_FILTERS = {Type.ROUTES, Type.EXTENSION}
AT_VIPS = {"outbound/vip/db.local/5432", "outbound/vip/cache.local/5432", "outbound/vip/cache.local/80", "dns"}


@pytest.mark.parametrize(
    ("own_host", "left_out"),
    [
        (None, AT_VIPS),
        (OwnHost(), {"outbound/vip/cache.local/80", "dns"}),
        (OwnHost(low_ports=True), {"dns"}),
        (OwnHost(dns=15053), {"outbound/vip/cache.local/80"}),
    ],
    ids=["a host that it shares", "no low ports", "low ports", "it answers for names"],
)
def test_services_addresses_are_bound_by_whoever_has_its_host_for_itself(
    own_host: OwnHost | None, left_out: set[str]
) -> None:
    view = compiled(SHARED_PORT)["node/front@1.40"]
    instance = LocalInstance("front-1", "front", "10.0.0.2", {8080: 15006})
    composed = compose_node(view, {}, instance, BUNDLE, own_host=own_host)
    assert listening(composed).keys() >= AT_VIPS - left_out
    assert not left_out & listening(composed).keys()
    asked = {want.name for each in composed for want in wanted(each.resource) if want.type in TABLES_AND_FILTERS}
    assert asked == {e.resource.name for e in composed if e.resource.type in TABLES_AND_FILTERS}, "or it is never acked"


def told_names(composed: Iterable[Composed]) -> dict[str, list[str]]:
    """What a proxy answers, by name as it is written in lower case."""
    (said,) = (decoded(each.resource) for each in composed if each.resource.name == "dns")
    table = said["listener_filters"][0]["typed_config"]["server_config"].get("inline_dns_table", {})
    domains = {each["name"]: each["endpoint"]["address_list"]["address"] for each in table.get("virtual_domains", ())}
    assert {name.lower() for name in domains} == {name for name in domains if name.islower()}
    return {name: addresses for name, addresses in domains.items() if name.islower()}


SEVERAL = [
    *CALLS_DB,
    build.node("cache", ports={5432: "tcp", 80: "http"}),
    build.service("cache.local", node="cache"),
    build.node("web", ports={8080: "http", 9090: "grpc"}),
    build.service("web.local", node="web"),
]
CALLED = ["db.local", "cache.local", "web.local"]


@pytest.mark.parametrize(
    ("own", "own_host", "bound", "named"),
    [
        ({7070: "http"}, OwnHost(dns=15053), {"db/5432", "cache/5432", "web/8080", "web/9090"}, {"db", "cache", "web"}),
        ({8080: "http"}, OwnHost(dns=15053), {"db/5432", "cache/5432", "web/9090"}, {"db", "cache", "web"}),
        ({5432: "tcp"}, OwnHost(dns=15053), {"web/8080", "web/9090"}, {"web"}),
        ({5432: "http"}, OwnHost(low_ports=True, dns=15053), {"cache/80", "web/8080", "web/9090"}, {"cache", "web"}),
        ({8080: "http", 9090: "http", 5432: "tcp"}, OwnHost(dns=15053), set(), set()),
    ],
    ids=["none in common", "one of two", "that of TCP services", "one that another makes up for", "all"],
)
def test_a_port_of_the_application_is_its_own_at_every_address_and_a_name_that_leads_nowhere_is_not_answered(
    own: Mapping[int, str], own_host: OwnHost, bound: set[str], named: set[str]
) -> None:
    view = compiled(build.mesh(*SEVERAL, build.node("front", ports=own, backends=CALLED)))["node/front@1.40"]
    for ports in ({port: 15000 + i for i, port in enumerate(own, 2)}, {}):
        instance = LocalInstance("front-1", "front", "10.0.0.2", ports)
        composed = compose_node(view, {}, instance, BUNDLE, own_host=own_host)
        at_vips = {n for n in listening(composed) if n.startswith("outbound/vip/")}
        assert at_vips == {"outbound/vip/" + each.replace("/", ".local/") for each in bound}
        assert told_names(composed).keys() == {f"{name}.local" for name in named}


def test_a_port_is_the_applications_while_its_listener_waits_for_a_certificate() -> None:
    view = compiled(build.mesh(*SEVERAL, build.node("front", ports={8080: "http"}, backends=CALLED)))["node/front@1.40"]
    waiting = [r for r in view if not (r.type == Type.LISTENER and r.name == "inbound/8080")]
    instance = LocalInstance("front-1", "front", "10.0.0.2", {8080: 15006})
    composed = compose_node(waiting, {}, instance, BUNDLE, own_host=OwnHost())
    assert "outbound/vip/web.local/9090" in listening(composed)
    assert "outbound/vip/web.local/8080" not in listening(composed)


@pytest.mark.parametrize("preference", [None, "IPv6_PREFERRED"])
def test_a_host_without_ipv6_has_the_ipv4_half(preference: str | None) -> None:
    spec = {"serviceDiscovery": {"ipPreference": preference}} if preference else {}
    view = compiled(build.mesh(*SEVERAL, build.node("front", ports={7070: "http"}, backends=CALLED), spec=spec))
    instance = LocalInstance("front-1", "front", "10.0.0.2", {7070: 15006})
    both, half = (
        compose_node(view["node/front@1.40"], {}, instance, BUNDLE, own_host=OwnHost(dns=15053, six=six))
        for six in (True, False)
    )
    assert any(":" in address for address in told_names(both)["web.local"])
    (address,) = told_names(half)["web.local"]
    assert address in told_names(both)["web.local"]
    assert listening(half)["outbound/vip/web.local/8080"] == f"{address}:8080"
    assert bool([n for n in listening(both) if n.startswith("outbound/vip6/")]) == (preference is not None)
    assert not [n for n in listening(half) if n.startswith("outbound/vip6/")]


def test_a_proxy_answers_for_names_at_its_instances_address_and_asks_who_it_is_told_to() -> None:
    view = compiled()["node/front@1.40"]
    instance = LocalInstance("front-1", "front", "10.0.0.2", {8080: 15006})
    told = OwnHost(dns=5353, dns_servers=(("10.0.0.53", 53), ("fd00::53", 5300)))
    composed = compose_node(view, {}, instance, BUNDLE, own_host=told)
    assert listening(composed)["dns"] == "10.0.0.2:5353"
    (said,) = (decoded(each.resource) for each in composed if each.resource.name == "dns")
    resolvers = said["listener_filters"][0]["typed_config"]["client_config"]["typed_dns_resolver_config"]
    servers = [each["socket_address"] for each in resolvers["typed_config"]["resolvers"]]
    assert servers == [
        {"address": "10.0.0.53", "port_value": 53},
        {"address": "fd00::53", "port_value": 5300},
    ]


@pytest.mark.parametrize(
    ("port", "refused", "let_out"),
    [
        (15001, ["a:15001", "[::1]:15001", "a:015001", "a:+15001", "a: 15001"], ["a", "a:80", "a:5001", "a:115001"]),
        (15101, ["a:15101", "a:0015101"], ["a", "a:15001"]),
        (80, ["a", "a:80", "[::1]", "[::1]:80", "10.0.0.1", "a:080"], ["a:8080", "a:180", "[::80]:8080", "[::1]:180"]),
    ],
)
def test_a_proxy_lets_out_what_is_not_for_its_own_port(port: int, refused: list[str], let_out: list[str]) -> None:
    """In whatever spelling: Envoy reads a port as a number."""
    mesh = build.mesh(spec={"egressFilter": {"type": "ALLOW_ALL"}})
    composed = compose_node(compiled(mesh)["node/front@1.40"], {}, BLUE, BUNDLE, port)
    (table,) = [e.resource for e in composed if e.resource.name == "outbound" and e.resource.type == Type.ROUTES]
    hosts = route_pb2.RouteConfiguration.FromString(table.body).virtual_hosts
    own = next(route for host in hosts for route in host.routes if route.name == "egress/own-port")
    said = own.match.headers[0].string_match
    for authority in (*refused, *let_out):
        matched = re2.fullmatch(said.safe_regex.regex, authority) is not None
        assert matched == (authority in refused), authority
