"""Health: what is asked of a node, by which name, and what cannot be."""

from typing import Any

import pytest

from isthmus.ir.mesh import HealthCheck, Protocol
from isthmus.model.document import Document
from isthmus.xds.compile import compile_mesh
from tests import build
from tests.golden.cases import surroundings
from tests.unit.ir.resolving import resolved

Json = Any
SAID: Json = {"healthyThreshold": 2, "unhealthyThreshold": 3, "intervalMillis": 5000, "timeoutMillis": 2000}


def check(node: Document) -> HealthCheck | None:
    """The check of the only port of the node."""
    ir = resolved(build.definition(node, build.attachment()))
    return ir.nodes[node.key.name].listeners[0].check


def asked(
    protocol: str = "http", name: str = "blue", *, check: str = "http", path: str | None = None, found: Json = None
) -> Document:
    """A node with a check, found in DNS or not."""
    said = SAID | {"protocol": check} | ({} if path is None else {"path": path})
    return build.node(name, protocol=protocol, listener={"healthCheck": said}, **(found or {}))


def test_no_check_where_none_is_said() -> None:
    assert check(build.node()) is None


def test_numbers_are_as_they_are_said() -> None:
    assert check(asked()) == HealthCheck(Protocol.HTTP, "blue", "/", 5000, 2000, 2, 3)


@pytest.mark.parametrize("said", ["http", "http2", "grpc", "tcp"])
@pytest.mark.parametrize("listener", ["http", "http2", "grpc", "tcp"])
def test_a_port_is_asked_as_is_said_but_in_grpc_only_what_may_speak_it(listener: str, said: str) -> None:
    made = check(asked(listener, check=said))
    assert made is not None
    assert made.protocol == ("tcp" if (listener, said) == ("http", "grpc") else said)


@pytest.mark.parametrize(
    ("name", "hostname", "expected"),
    [
        ("blue", None, "blue"),
        ("blue_shop.v1", None, "blue_shop.v1"),
        ("blue/1", None, "localhost"),
        ("blue", "blue.shop.internal.", "blue.shop.internal"),
        ("blue", "bläu.shop", "blue"),
        ("x" * 255, "-", "localhost"),
    ],
    ids=["its name", "a Kubernetes name", "a name that is no host's", "in DNS", "not in DNS", "by no name"],
)
def test_the_name_under_which_a_node_is_asked(name: str, hostname: str | None, expected: str) -> None:
    found: Json = {} if hostname is None else {"serviceDiscovery": {"dns": {"hostname": hostname}}}
    made = check(asked(name=name, found=found))
    assert made is not None
    assert made.host == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/ping?deep=1#a", "/ping?deep=1#a"),
        ("/50%25", "/50%25"),
        ("/a b", "/a%20b"),
        ("/é", "/%C3%A9"),
        ("/a\r\nX: y", "/a%0D%0AX:%20y"),
    ],
    ids=["as it is", "what is escaped stays", "a space", "a letter that is not ASCII", "no second header"],
)
def test_a_path_can_be_asked_for(path: str, expected: str) -> None:
    made = check(asked(path=path))
    assert made is not None
    assert made.path == expected


@pytest.mark.parametrize(
    ("node", "pointers"),
    [
        (asked(path="/ping"), []),
        (asked("tcp", check="http2", path="/ping"), []),
        (asked("http2", check="grpc"), []),
        (asked("tcp", check="grpc"), []),
        (asked(check="tcp"), []),
        (asked(check="tcp", path="/ping"), ["path"]),
        (asked("grpc", check="grpc", path="a.Service"), ["path"]),
        (asked(check="grpc"), ["protocol"]),
        (asked(check="grpc", path="/"), ["path", "protocol"]),
    ],
    ids=[
        "http of http",
        "http2 of raw bytes",
        "grpc of http2",
        "grpc of raw bytes",
        "tcp of http",
        "tcp has no path",
        "grpc has no path",
        "no grpc of http",
        "neither",
    ],
)
def test_what_cannot_be_asked_is_told(node: Document, pointers: list[str]) -> None:
    found = compile_mesh(build.definition(node, build.attachment()), surroundings(), "east").ineffective
    assert [i.pointer for i in found] == [f"/spec/listeners/0/healthCheck/{p}" for p in pointers]
