"""The instances file: what it may say, and that everything wrong with it is said at once."""

import pytest

from gateway.agent.discovery import Found, Gateway, Health, Instance
from gateway.agent.discovery.listing import parse
from isthmus.errors import Invalid


def test_a_file_is_read_with_its_defaults() -> None:
    text = """
    instances:
    - {name: blue-2, host: h2, address: 10.0.0.2}
    - {name: blue-3, host: h2, address: 10.0.0.3, grpc: true}
    - {name: blue-1, host: h1, address: 10.0.0.1, ports: {8080: 15006}, zone: a, health: draining, outbound: 15002}
    gateways: [{name: ew, host: h1, address: '::1', port: 15443, public: ['1.2.3.4:443']}]
    """
    blue = Instance("blue-1", "h1", "10.0.0.1", {8080: 15006}, "a", Health.DRAINING, 15002)
    assert parse(text) == Found(
        (blue, Instance("blue-2", "h2", "10.0.0.2"), Instance("blue-3", "h2", "10.0.0.3", grpc=True)),
        (Gateway("ew", "h1", "::1", 15443, ("1.2.3.4:443",)),),
    )


@pytest.mark.parametrize(
    ("text", "violations"),
    [
        ("", {("", "wrong_type")}),
        ("instances: [", {("", "not_yaml")}),
        ("[]", {("", "wrong_type")}),
        ("instances: {}", {("/instances", "wrong_type")}),
        ("{instances: [], instances: []}", {("", "not_yaml")}),
        ("{[a]: 1}", {("", "not_yaml")}),
        ("&a [*a]", {("", "wrong_type")}),
        ("x: 1", {("/x", "unknown_field")}),
        (
            "instances: [{name: a/b, host: 1, address: foo, ports: {a: 70000}, health: ok, outbound: '5', more: 1}]",
            {
                ("/instances/0/name", "pattern_mismatch"),
                ("/instances/0/host", "wrong_type"),
                ("/instances/0/address", "not_an_address"),
                ("/instances/0/ports/a/[key]", "wrong_type"),
                ("/instances/0/ports/a", "out_of_range"),
                ("/instances/0/health", "not_one_of"),
                ("/instances/0/outbound", "wrong_type"),
                ("/instances/0/more", "unknown_field"),
            },
        ),
        (
            "gateways: [{public: [lb.example.com:443, '1.1.1.1:0', '1.1.1.1']}]",
            {
                ("/gateways/0/name", "missing"),
                ("/gateways/0/host", "missing"),
                ("/gateways/0/address", "missing"),
                ("/gateways/0/port", "missing"),
                ("/gateways/0/public/0", "not_an_address"),
                ("/gateways/0/public/1", "not_an_address"),
                ("/gateways/0/public/2", "not_an_address"),
            },
        ),
        (
            "instances: [{name: a, host: h, address: 1.1.1.1}]\ngateways: [{name: a, host: h, address: '::', port: 1}]",
            {("/gateways/0/name", "duplicate_name")},
        ),
        (
            "instances: [{name: a, host: h, address: 1.1.1.1, grpc: true, ports: {80: 81}}]",
            {("/instances/0/grpc", "proxied")},
        ),
        (
            "instances: [{name: a, host: h, address: 1.1.1.1, grpc: true, outbound: 82}]",
            {("/instances/0/grpc", "proxied")},
        ),
    ],
    ids=[
        "an empty file, as a half-written one is",
        "broken YAML",
        "a list",
        "instances as an object",
        "a key twice",
        "a key that is a list",
        "a list in itself",
        "an unknown field",
        "everything wrong with an instance",
        "everything wrong with a gateway",
        "an instance and a gateway of one name",
        "an application that has a proxy, and needs none",
        "an application that has a proxy for what it sends",
    ],
)
def test_a_bad_file_is_refused_with_every_violation(text: str, violations: set[tuple[str, str]]) -> None:
    with pytest.raises(Invalid) as raised:
        parse(text)
    assert {(v.pointer, v.code) for v in raised.value.violations} == violations
