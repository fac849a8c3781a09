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


def test_a_proxy_that_has_its_host_for_itself_says_so() -> None:
    said = "{name: a, host: h, address: 10.0.0.1, outbound: 15001, vips: true"
    (plain,) = parse(f"instances: [{said}}}]").instances
    assert (plain.vips, plain.low_ports, plain.dns, plain.dns_servers) == (True, False, 15053, ())
    more = "low_ports: true, dns: 53, dns_servers: [10.0.0.2, '10.0.0.3:5353', 'fd00::2', '[fd00::3]:54']"
    (full,) = parse(f"instances: [{said}, {more}}}]").instances
    assert (full.low_ports, full.dns) == (True, 53)
    assert full.dns_servers == (("10.0.0.2", 53), ("10.0.0.3", 5353), ("fd00::2", 53), ("fd00::3", 54))


def test_an_instance_has_an_address_of_each_family_and_a_gateway_may_be_at_all_of_them() -> None:
    text = """
    instances: [{name: blue, host: h, address: 10.0.0.1, also: 'FD00:0::1'}]
    gateways: [{name: ew, host: h, address: '::', port: 1, public: ['[fd00:0::1]:443', '1.2.3.4:443']}]
    """
    found = parse(text)
    assert found.instances == (Instance("blue", "h", "10.0.0.1", also="fd00::1"),)
    assert found.gateways[0].addresses == ("[fd00::1]:443", "1.2.3.4:443")
    assert Gateway("ew", "h", "fd00::1", 443).addresses == ("[fd00::1]:443",)
    assert Gateway("ew", "h", "::", 443).addresses == ()


@pytest.mark.parametrize(
    ("text", "violations"),
    [
        (
            "instances: [{name: a, host: h, address: 1.1.1.1, dns: 53, low_ports: false, dns_servers: [1.1.1.1]}]",
            {(f"/instances/0/{name}", "needs_vips") for name in ("dns", "low_ports", "dns_servers")},
        ),
        (
            """
            instances:
            - {name: a, host: h, address: 1.1.1.1, dns: 0,
               dns_servers: [ns.example, '1.1.1.1:', 'fe80::1%eth0', '[fe80::1%eth0]:53']}
            """,
            {("/instances/0/dns", "out_of_range")}
            | {(f"/instances/0/dns_servers/{i}", "not_an_address") for i in range(4)},
        ),
        (
            "instances: [{name: a, host: h, address: 1.1.1.1, vips: true, grpc: true}]",
            {("/instances/0/vips", "needs_proxy")},
        ),
        (
            """
            instances:
            - {name: a, host: h, address: 1.1.1.1, ports: {80: 81}, vips: true, dns: 15001}
            - {name: b, host: h, address: 1.1.1.2, outbound: 82, vips: true, dns: 82}
            """,
            {("/instances/0/dns", "same_port"), ("/instances/1/dns", "same_port")},
        ),
        *(
            (f"instances: [{{name: a, host: h, address: '{address}'}}]", {("/instances/0/address", code)})
            for address, code in (
                ("::", "not_its_own"),
                ("0.0.0.0", "not_its_own"),  # noqa: S104 - it is refused
                ("224.0.0.1", "not_its_own"),
                ("ff02::1", "not_its_own"),
                ("fe80::1%eth0", "not_an_address"),
            )
        ),
        ("instances: [{name: a, host: h, address: 1.1.1.1, also: '::'}]", {("/instances/0/also", "not_its_own")}),
        ("", {("", "wrong_type")}),
        ("instances: [", {("", "not_yaml")}),
        ("instances: [{name: a, host: h, address: 1.2.3.4, also: 1.2.3.5}]", {("/instances/0", "same_family")}),
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
        "what only VIPs give a meaning",
        "everything wrong with how names are answered",
        "addresses of services without a proxy",
        "names where requests are taken",
        "every IPv6 address",
        "every IPv4 address",
        "many IPv4 addresses",
        "many IPv6 addresses",
        "an address of one host",
        "every address as the second",
        "an empty file, as a half-written one is",
        "broken YAML",
        "two addresses of one family",
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
