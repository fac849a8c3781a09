"""What a node's service discovery means: what is asked, and which preference of an IP version counts."""

from typing import Any

import pytest

from isthmus.incremental import Computation
from isthmus.ir.discovery import NO_NAME, STRICT, discovery
from isthmus.ir.found import CloudMap, Dns
from isthmus.ir.said import Said
from isthmus.model.definition import Settings
from isthmus.model.kinds.mesh import MeshSpec
from isthmus.model.kinds.virtual_node import VirtualNodeSpec
from isthmus.xds.compile import compile_mesh
from tests import build
from tests.golden.cases import surroundings


def resolved(said: Any, preference: str | None = None) -> Any:  # noqa: ANN401 - JSON, Discovery
    node = build.node(serviceDiscovery=said).spec
    assert isinstance(node, VirtualNodeSpec)
    spec = {"serviceDiscovery": {"ipPreference": preference}} if preference else {}
    mesh = build.definition(spec=spec).spec
    assert isinstance(mesh, MeshSpec)
    return discovery(node, Said.of(Computation(), "shop", mesh, Settings(), frozenset()))


@pytest.mark.parametrize(
    ("node", "mesh", "families"),
    [
        (None, None, (6, 4)),
        (None, "IPv4_ONLY", (4,)),
        ("IPv6_ONLY", "IPv4_ONLY", (6,)),
        ("IPv4_PREFERRED", None, (4, 6)),
        ("IPv6_PREFERRED", "IPv4_PREFERRED", (6, 4)),
    ],
)
def test_a_nodes_own_preference_goes_before_the_meshs(
    node: str | None, mesh: str | None, families: tuple[int, ...]
) -> None:
    own = {"ipPreference": node} if node else {}
    assert resolved({"dns": {"hostname": "a.example"} | own}, mesh).families == families
    assert resolved({"awsCloudMap": {"namespaceName": "n", "serviceName": "s"} | own}, mesh).families == families


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"hostname": "a.example"}, Dns("a.example", single=True, families=(6, 4))),
        ({"hostname": "a.example."}, Dns("a.example", single=True, families=(6, 4))),
        ({"hostname": "a", "responseType": "LOADBALANCER"}, Dns("a", single=True, families=(6, 4))),
        ({"hostname": "_a._tcp.b", "responseType": "ENDPOINTS"}, Dns("_a._tcp.b", single=False, families=(6, 4))),
        ({"hostname": "bücher.example"}, Dns("xn--bcher-kva.example", single=True, families=(6, 4))),
        ({"hostname": "a..example"}, None),
        ({"hostname": "."}, None),
        ({"hostname": f"{'a' * 64}.example"}, None),
    ],
)
def test_a_host_name_is_absolute_and_as_dns_spells_it(said: Any, expected: Dns | None) -> None:  # noqa: ANN401 - JSON
    assert resolved({"dns": said}) == expected


def test_attributes_are_all_asked_for_in_one_order() -> None:
    attributes = [{"key": "b", "value": "2"}, {"key": "a", "value": "1"}]
    said = {"awsCloudMap": {"namespaceName": "n", "serviceName": "s", "attributes": attributes}}
    assert resolved(said) == CloudMap("n", "s", (("a", "1"), ("b", "2")), (6, 4))


@pytest.mark.parametrize(
    ("hostname", "transport", "expected"),
    [
        ("a.example", "permissive", []),
        ("a.example", "strict", [("/spec/serviceDiscovery", STRICT)]),
        ("a..example", "permissive", [("/spec/serviceDiscovery/dns/hostname", NO_NAME)]),
    ],
)
def test_what_is_said_in_vain_is_told(hostname: str, transport: str, expected: list[tuple[str, str]]) -> None:
    node = build.node("blue", serviceDiscovery={"dns": {"hostname": hostname}})
    made = compile_mesh(build.mesh(node, settings={"transport": transport}), surroundings(), "east")
    assert [(i.pointer, i.reason) for i in made.ineffective if i.key.name == "blue"] == expected
