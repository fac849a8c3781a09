"""Ineffective: nothing that a tenant may say is passed over: it has an effect or is reported with the reason."""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, get_args

import pytest

from isthmus.ir.ineffective import EFFECTIVE, Shape
from isthmus.model.definition import Definition
from isthmus.model.kinds import KINDS
from isthmus.model.structure import Structure
from isthmus.xds.compile import compile_mesh
from tests import build
from tests.golden.cases import surroundings


def structure(annotation: Any) -> type[Structure] | None:  # noqa: ANN401 - a type
    """The structure that a field holds, itself or in a list."""
    if isinstance(annotation, type) and issubclass(annotation, Structure):
        return annotation
    inner = get_args(annotation) if isinstance(annotation, UnionType) or get_args(annotation) else ()
    return next((found for each in inner if (found := structure(each))), None)


def unlike(shape: Shape, of: type[Structure], at: str) -> Iterator[str]:
    """Where a shape and the model differ in the fields that they have."""
    assert isinstance(shape, Mapping)
    for name in sorted(shape.keys() ^ of.model_fields.keys()):
        yield f"{at}.{name}"
    for name in shape.keys() & of.model_fields.keys():
        inner = structure(of.model_fields[name].annotation)
        if isinstance(shape[name], Mapping) and inner is not None:
            yield from unlike(shape[name], inner, f"{at}.{name}")


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_a_kind_is_decided_on(kind: str) -> None:
    shape = EFFECTIVE[kind]
    assert shape is True or list(unlike(shape, KINDS[kind].spec, kind)) == []


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        (build.mesh(), []),
        (build.mesh(spec={"egressFilter": {"type": "DROP_ALL"}}), []),
        (build.mesh(spec={"egressFilter": {"type": "ALLOW_ALL"}}), []),
        (
            build.mesh(build.node("front", backends=["later.local"])),
            ["VirtualNode front /spec/backends/0/virtualService/virtualServiceName"],
        ),
        (build.mesh(build.service("COLORS.local", node="blue")), ["VirtualService colors.local /name"]),
        (build.mesh(build.service("a b", node="blue")), ["VirtualService a b /name"]),
        (
            build.mesh(build.node("silent", port=None), build.service("s.local", node="silent")),
            ["VirtualService s.local /spec/provider"],
        ),
        (
            build.mesh(
                build.node("db", port=5432, protocol="tcp"),
                build.service("db.local", node="db"),
                build.node("front", backends=["db.local"]),
            ),
            [],
        ),
        (
            build.mesh(
                build.node("db", port=5432, protocol="tcp"),
                build.service("b.local", node="db"),
                build.service("a.local", node="db"),
                build.node("front", backends=["b.local", "a.local"]),
            ),
            ["VirtualNode front /spec/backends/0/virtualService/virtualServiceName"],
        ),
        (
            build.mesh(
                build.node("db", port=5432, protocol="tcp"),
                build.service("db.local", node="db"),
                build.node("front", port=5432, backends=["db.local"]),
            ),
            ["VirtualNode front /spec/backends/0/virtualService/virtualServiceName"],
        ),
        (
            build.mesh(
                build.node("db", port=15001, protocol="tcp"),
                build.service("db.local", node="db"),
                build.node("front", backends=["db.local"]),
            ),
            ["VirtualNode front /spec/backends/0/virtualService/virtualServiceName"],
        ),
        (
            build.mesh(
                build.node("db", port=5432, protocol="tcp"),
                build.service("db.local", node="db"),
                build.gateway_route("db", service="db.local", prefix="/db"),
            ),
            ["GatewayRoute ingress/db /spec/httpRoute/action/target/virtualService/virtualServiceName"],
        ),
        (
            build.mesh(
                build.node("db", port=5432, protocol="tcp"),
                build.router("db", port=5432, protocol="tcp"),
                build.route("first", router="db", protocol="tcp", targets={"db": 1}),
                build.route("second", router="db", protocol="tcp", targets={"db": 1}),
            ),
            ["Route db/second /spec/tcpRoute"],
        ),
        (
            build.mesh(
                build.router("db", port=5432, protocol="tcp"),
                build.route("all", router="db", protocol="tcp", targets={"blue": 1}),
            ),
            ["Route db/all /spec/tcpRoute/action/weightedTargets/0"],
        ),
        (
            build.mesh(
                build.node("db", port=5432, protocol="tcp"),
                build.document("VirtualRouter", "db", {}),
                build.route("all", router="db", protocol="tcp", targets={"db": 1}),
            ),
            ["Route db/all /spec/tcpRoute"],
        ),
        (
            build.mesh(build.node("silent", port=None), build.route("more", targets={"silent": 1}, prefix="/more")),
            ["Route router/more /spec/httpRoute/action/weightedTargets/0"],
        ),
        (
            build.mesh(build.route("tunnel", match={"method": "CONNECT", "prefix": "/a"})),
            ["Route router/tunnel /spec/httpRoute/match"],
        ),
        (
            build.mesh(
                build.route("tunnel", match={"method": "CONNECT"}),
                build.gateway_route("tunnel", match={"prefix": "/", "method": "CONNECT"}),
            ),
            ["GatewayRoute ingress/tunnel /spec/httpRoute/match/method"],
        ),
        (
            build.mesh(
                build.node("blue", ports={80: "http", 3306: "tcp"}),
                build.service(node="blue"),
                build.route(targets=[{"virtualNode": "blue", "weight": 1, "port": 80}]),
                build.gateway_route(target_port=3306),
                targets={"blue": 1},
            ),
            ["GatewayRoute ingress/all /spec/httpRoute/action/target/port"],
        ),
        (
            build.mesh(
                build.node("both", ports={80: "http", 81: "http"}),
                build.service("s.local", node="both"),
                build.service("s.local:80", node="blue"),
            ),
            ["VirtualService s.local:80 /name", "VirtualService s.local:80 /name"],
        ),
        (
            build.mesh(*(build.service(name, node="blue") for name in ("a_b.local", "ü.local", "a" * 64, "a..b"))),
            [f"VirtualService {name} /name" for name in ("a..b", "a" * 64, "ü.local")],
        ),
        (
            build.mesh(
                build.document("VirtualRouter", "router", {}),
                build.route(match={"prefix": "/", "port": 9}),
                targets={"blue": 1},
            ),
            ["Route router/all /spec/httpRoute/match/port"],
        ),
        (build.mesh(build.service("a.", node="blue")), ["VirtualService a. /name"]),
        (build.mesh(build.placement("blue", "north")), ["Placement blue /spec/clusters/0"]),
        (build.mesh(build.transport("gone")), ["Transport gone /name"]),
        (build.mesh(build.transport("blue")), []),
        (build.mesh(build.binding("gone", node="gone")), ["Binding gone /spec/node"]),
        (
            build.mesh(build.binding("pods", node="blue", match={"iam": {"role": "r"}})),
            ["Binding pods /spec/match/iam"],
        ),
    ],
    ids=[
        "a mesh that works",
        "nothing out: that is what is done",
        "something out",
        "a backend that does not exist yet",
        "two names that differ in case only",
        "a name that no request can say",
        "a provider that listens nowhere",
        "a provider that speaks tcp, and a caller",
        "two services on one TCP port",
        "a TCP port that is the caller's own",
        "a TCP port where requests are taken",
        "a gateway route to TCP",
        "a tcp route after another",
        "a tcp route to HTTP",
        "a tcp route without a port",
        "a target that listens nowhere",
        "a tunnel to a path",
        "a tunnel through a gateway",
        "a gateway route to a port that speaks tcp",
        "a name that is another's host and port",
        "names that DNS cannot be asked for",
        "a port where a router has none",
        "a name that ends in a dot",
        "a placement in a cluster that takes no part",
        "a transport of what is not there",
        "a transport",
        "a binding to what is not there",
        "a workload that cannot be found yet",
    ],
)
def test_what_has_no_effect_is_told(definition: Definition, expected: list[str]) -> None:
    found = compile_mesh(definition, surroundings(), "east").ineffective
    assert [f"{each.key} {each.pointer}" for each in found] == expected
