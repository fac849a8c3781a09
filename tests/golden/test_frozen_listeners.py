"""The bytes of every kind of listener, frozen: a change of them closes every connection of every proxy, everywhere.

`frozen_listeners.txt` holds a digest of each; what each says is shown in full by the golden case named beside it.
Whoever has to change one writes it anew with `--golden-update`, and says in a change's fragment that connections drain.
A new version of protobuf may change digests too, and drains as well.

Nothing a tenant edits may change them but what `MOVING` lists. Policies are in none of them: they fill slots
(tests/contract/envoy/test_filled_slots.py).
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from isthmus.model.check import check
from isthmus.model.definition import Definition
from isthmus.model.document import Document
from isthmus.xds.compile import compile_mesh
from isthmus.xds.snapshot import AGENT_VIEW, Type
from tests import build
from tests.golden.cases import HERE, Case, cases, surroundings

Json = Any
Ports = Mapping[int, str]
FILE = HERE / "frozen_listeners.txt"
PORTS: Ports = {8080: "http", 9090: "http2", 9091: "grpc", 9000: "tcp"}
SECONDS = {"unit": "s", "value": 7}
OTHER, RAW = "other.local", "raw.local"
TAKES = (8080,)
"""The port of `build.SERVICE`'s router."""


def target(node: str, weight: int, port: int = 8080) -> Json:
    return {"virtualNode": node, "weight": weight, "port": port}


def node(name: str, *, backends: Sequence[str] | None = None, ports: Ports = PORTS, **also: Json) -> Document:
    """`front` calls a service over TCP as well."""
    called = (build.SERVICE, *((RAW,) if name == "front" else ())) if backends is None else backends
    return build.node(name, ports=ports, backends=called, **also)


def mesh(*more: Document, name: str = "shop", **also: Json) -> Definition:
    """Every kind of listener: a node's ports, what it sends, a gateway's two, the ways between clusters."""
    made = [
        node("front"),
        node("blue"),
        node("green"),
        build.node("db", port=7000, protocol="tcp"),
        build.route(targets=[target("blue", 1), target("green", 1)]),
        build.service(OTHER, node="green"),
        build.service(RAW, node="db"),
    ]
    keyed = {each.key: each for each in (*made, *more)}
    definition = build.mesh(*keyed.values(), name=name, **also)
    assert check(definition) == (), "a tenant could not have said this"
    return definition


def listeners(definition: Definition) -> dict[str, bytes]:
    """View and name of every listener in east → its bytes."""
    snapshot = compile_mesh(definition, surroundings(), "east").snapshot
    return {
        f"{view} {ref.name}": snapshot.resources[ref.version].body
        for view in snapshot.manifest.views
        if view != AGENT_VIEW
        for ref in snapshot.manifest.refs(view)
        if ref.type == Type.LISTENER
    }


KINDS: Mapping[str, str] = {
    "node/front@1.40 inbound/8080": "nodes/inbound",
    "node/front@1.40 inbound/9000": "nodes/inbound_tcp",
    "node/front@1.40 outbound": "whole/to_west",
    "node/front@1.40 outbound/tcp/7000": "tcp/routed",
    f"node/front@1.40 outbound/vip/{RAW}/7000": "tcp/addresses",
    f"node/front@1.40 outbound/vip/{build.SERVICE}/8080": "routes/addresses",
    "node/front@1.40 dns": "routes/addresses",
    "node/front@1.40 tunnel": "routes/addresses",
    "node/front@1.40 to/west": "whole/to_west",
    "gateway/ingress@1.40 ingress/9080": "gateways/listeners",
    "gateway/ingress@1.40 outbound": "gateways/listeners",
    "east-west": "whole/east_west",
}
"""One of each kind, and the golden case that shows what it says (`east-west`: with any label)."""


def test_the_bytes_of_every_kind_are_what_they_were(request: pytest.FixtureRequest) -> None:
    found = {
        name.partition("/")[0] if name.startswith("east-west") else name: b for name, b in listeners(mesh()).items()
    }
    text = "".join(
        f"{name}  {hashlib.sha256(found[name]).hexdigest()[:32]}  {shown}\n" for name, shown in KINDS.items()
    )
    if request.config.getoption("--golden-update", default=False):
        FILE.write_text(text)
    assert FILE.read_text() == text


def test_every_listener_is_of_one_of_these_kinds() -> None:
    """Or it would not be frozen. The way to another cluster is the same for a node and a gateway."""
    all_of_them = listeners(mesh())
    assert {_kind(name) for name in all_of_them} == {_kind(name) for name in KINDS}
    assert all_of_them["gateway/ingress@1.40 to/west"] == all_of_them["node/front@1.40 to/west"]


def _kind(name: str) -> tuple[str, str]:
    role, listener = name.partition("/")[0], name.rpartition(" ")[2].partition("/")[0]
    return ("" if listener == "to" else role), listener


@pytest.mark.parametrize(("name", "shown"), KINDS.items(), ids=KINDS)
def test_what_each_kind_says_is_shown_in_full(name: str, shown: str) -> None:
    case = next(case for case in cases() if case.path == HERE / f"{shown}.yaml")
    assert any(_alike(each, name) for view in case.said["show"] for each in _shown(case, view))


def _shown(case: Case, view: str) -> list[str]:
    return [f"{view} {each}" for each in case.said["show"][view] if case.said["show"][view] != "all"]


def _alike(shown: str, name: str) -> bool:
    """`node/x lds inbound/80` shows `node/front@1.40 inbound/8080`."""
    view, kind, listener = shown.split(" ")[:3]
    mine = name.rpartition(" ")[2]
    same = listener.partition("/")[0] == mine.partition("/")[0]
    return kind == "lds" and same and view.partition("/")[0] == name.partition("/")[0] and shown.count(" ") == 2


POOL = {8080: {"http": {"maxConnections": 3, "maxPendingRequests": 2}}, 9000: {"tcp": {"maxConnections": 1}}}
OUTLIER = {"baseEjectionDuration": SECONDS, "interval": SECONDS, "maxEjectionPercent": 5, "maxServerErrors": 2}
HEALTH = {"healthyThreshold": 2, "unhealthyThreshold": 2, "intervalMillis": 5000, "timeoutMillis": 2000}
RETRY = {"maxRetries": 3, "perRetryTimeout": SECONDS, "httpRetryEvents": ["server-error"]}
CLIENT_TLS = {"validation": {"trust": {"sds": {"secretName": "roots"}}}}
TLS = {"mode": "STRICT", "certificate": {"sds": {"secretName": "s"}}}


def listening(**said: Json) -> Document:
    """`blue` with something said by its listeners, by port."""
    protocols = {port: {"portMapping": {"port": port, "protocol": p}} for port, p in PORTS.items()}
    made = [mapping | {key: by_port[port] for key, by_port in said.items() if port in by_port}
            for port, mapping in protocols.items()]  # fmt: skip
    spec = {"listeners": made, "backends": [{"virtualService": {"virtualServiceName": build.SERVICE}}]}
    return build.document("VirtualNode", "blue", spec)


RESTING: Mapping[str, tuple[Document, ...]] = {
    "a route's path": (build.route(targets=[target("blue", 1)], match={"prefix": "/a"}),),
    "a route's headers and method": (
        build.route(targets=[target("blue", 1)], match={"prefix": "/", "method": "PUT", "headers": [{"name": "x-a"}]}),
    ),
    "a route's weights": (build.route(targets=[target("blue", 1), target("green", 99)]),),
    "a route's timeouts": (build.route(targets=[target("blue", 1)], timeout={"perRequest": SECONDS, "idle": SECONDS}),),
    "a route's retries": (build.route(targets=[target("blue", 1)], retryPolicy=RETRY),),
    "a route's priority": (build.route(targets=[target("blue", 1)], priority=7),),
    "one more route": (build.route("more", targets=[target("green", 1)], prefix="/more"),),
    "a route of tcp": (
        build.router("raw", port=7000, protocol="tcp"),
        build.route("raw", router="raw", targets=[target("blue", 1, 9000), target("db", 2, 7000)], protocol="tcp"),
        build.service(RAW, router="raw"),
    ),
    "a backend": (node("front", backends=[build.SERVICE, OTHER]),),
    "no backend": (node("front", backends=[]),),
    "pools": (listening(connectionPool=POOL),),
    "outlier detection": (listening(outlierDetection=dict.fromkeys(PORTS, OUTLIER)),),
    "health checks": (
        listening(healthCheck={port: HEALTH | {"protocol": protocol} for port, protocol in PORTS.items()}),
    ),
    "a listener's timeouts": (
        listening(
            timeout={8080: {"http": {"perRequest": SECONDS, "idle": SECONDS}}, 9091: {"grpc": {"idle": SECONDS}}}
        ),
    ),
    "http, http2 and grpc exchanged": (node("front", ports={8080: "grpc", 9090: "http", 9091: "http2", 9000: "tcp"}),),
    "service discovery": (node("front", serviceDiscovery={"dns": {"hostname": "front.local"}}),),
    "client policies": (node("front", backendDefaults={"clientPolicy": {}}),),
    "tls of a client policy": (node("front", backendDefaults={"clientPolicy": {"tls": CLIENT_TLS}}),),
    "a service's provider": (build.service(node="green"), build.gateway_route(target_port=8080)),
    "a service without provider": (build.service(),),
    "a router's ports": (
        build.router(ports={8080: "http", 9090: "http2"}),
        build.route(targets=[target("blue", 1)], match={"prefix": "/", "port": 8080}),
        build.gateway_route(target_port=8080),
    ),
    "a gateway route's path and rewrite": (
        build.gateway_route(prefix="/shop", rewrite={"hostname": {"defaultTargetHostname": "DISABLED"}}),
    ),
    "one more gateway route": (build.gateway_route("more", prefix="/more"),),
    "http2 at the gateway": (build.gateway(protocol="http2"), build.gateway_route(protocol="http2")),
    "a placement": (build.placement("blue", "west"), build.placement("front", "east", "west")),
    "a binding": (build.binding("front", node="front", file="elsewhere"),),
    "one more node": (build.node("red", ports=PORTS),),
    "tags": (node("front", tags={"a": "b"}),),
}
"""What a tenant may edit without touching a listener."""

IDLE = {
    "service discovery",
    "client policies",
    "http2 at the gateway",
    "tags",
}
"""Of these Envoy need not be told anything: they are not effective yet, or mean the same to it."""


@pytest.mark.parametrize("edit", RESTING.values(), ids=RESTING)
def test_an_edit_leaves_every_listener_as_it_was(edit: tuple[Document, ...]) -> None:
    """Ways to other clusters and ports of backends come and go with who is called; who is, is answered to for names.

    `dns` takes no connections: of 95,000 questions none was lost over ten changes of it (`isthmus.xds.dns`).
    """
    before, after = mesh(), mesh(*edit)
    assert before != after
    old, new = listeners(before), listeners(after)
    assert {name for name in old.keys() & new.keys() if old[name] != new[name]} <= {"node/front@1.40 dns"}
    views = {name.partition(" ")[0] for name in old} & {name.partition(" ")[0] for name in new}
    changed = {name for name in old.keys() ^ new.keys() if name.partition(" ")[0] in views}
    called = {name for name in changed if name.partition(" ")[2].startswith(("to/", "outbound/", "tunnel"))}
    assert changed == called


def test_these_edits_change_what_envoy_is_told() -> None:
    """Or they would show nothing."""
    before = compile_mesh(mesh(), surroundings(), "east").snapshot
    idle = {
        why for why, edit in RESTING.items() if compile_mesh(mesh(*edit), surroundings(), "east").snapshot == before
    }
    assert idle == IDLE


def test_another_cluster_adds_a_way_to_it_and_changes_nothing() -> None:
    old = listeners(mesh(clusters=("east", "west")))
    new = listeners(mesh(clusters=("east", "west", "north")))
    assert {name: new[name] for name in old} == old
    assert {name.rpartition(" ")[2] for name in new.keys() - old.keys()} == {"to/north"}


@pytest.mark.parametrize(
    "settings", [{"transport": "strict"}, {"exports": "listed"}], ids=["mutual tls only", "exports are listed"]
)
def test_settings_of_the_mesh_change_no_listener(settings: Json) -> None:
    assert listeners(mesh(settings=settings)) == listeners(mesh())


LOG = {"accessLog": {"file": {"path": "/dev/stdout"}}}
CALLING = {
    f"node/front@1.40 {name}" for name in ("outbound", "tunnel", *(f"outbound/vip/{build.SERVICE}/{p}" for p in TAKES))
}
INBOUND = {f"node/front@1.40 inbound/{port}" for port in PORTS}

MOVING: Mapping[str, tuple[Definition, set[str]]] = {
    "logging of a node": (mesh(node("front", logging=LOG)), {*INBOUND, *CALLING}),
    "logging of a gateway": (
        mesh(build.gateway(logging=LOG)),
        {"gateway/ingress@1.40 ingress/9080", "gateway/ingress@1.40 outbound"},
    ),
    "tcp instead of http, and http instead of tcp": (
        mesh(node("front", ports={**PORTS, 8080: "tcp", 9000: "http"})),
        {"node/front@1.40 inbound/8080", "node/front@1.40 inbound/9000"},
    ),
    "how long a tcp connection may rest, which Envoy knows in the filter only": (
        mesh(listening(timeout={9000: {"tcp": {"idle": SECONDS}}})),
        {"node/blue@1.40 inbound/9000"},
    ),
    "a listener's tls, whose chains its callers choose by what they offer": (
        mesh(listening(tls={8080: TLS, 9000: TLS})),
        {"node/blue@1.40 inbound/8080", "node/blue@1.40 inbound/9000"},
    ),
    "which family of IP is looked up for hosts outside": (
        mesh(spec={"serviceDiscovery": {"ipPreference": "IPv4_ONLY"}}),
        {f"node/{name}@1.40 outbound" for name in ("front", "blue", "green", "db")}
        | {f"node/{name}@1.40 tunnel" for name in ("front", "blue", "green")},
    ),
    "the name of the mesh, which is another mesh": (
        mesh(name="other"),
        {f"node/{name}@1.40 inbound/{port}" for name in ("front", "blue", "green") for port in PORTS}
        | {"node/db@1.40 inbound/7000"},
    ),
}
"""What changes a listener, and which. A new port is a new listener, and a port that is gone is none."""


@pytest.mark.parametrize(("after", "moved"), MOVING.values(), ids=MOVING)
def test_these_edits_change_these_listeners_and_no_other(after: Definition, moved: set[str]) -> None:
    old, new = listeners(mesh()), listeners(after)
    assert {name for name, body in old.items() if new.get(name) != body} == moved


def test_a_port_comes_and_goes_by_itself() -> None:
    old, new = listeners(mesh()), listeners(mesh(node("front", ports={8080: "http", 7000: "http"})))
    assert {name for name in old if name not in new} == INBOUND - {"node/front@1.40 inbound/8080"}
    assert new.keys() - old.keys() == {"node/front@1.40 inbound/7000"}
    assert {name: body for name, body in new.items() if name in old and old[name] != body} == {}
