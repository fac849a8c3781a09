"""Every operation through boto3 as it is: what is written comes back, is listed, tagged, versioned and gone."""

from typing import Any

import pytest

from tests.conftest import ACCOUNT
from tests.contract.appmesh.conftest import REGION, refused

Json = Any
LISTENER = {"portMapping": {"port": 8080, "protocol": "http"}}
NODE = {"listeners": [LISTENER], "serviceDiscovery": {"dns": {"hostname": "a.local"}}}
ROUTE = {"httpRoute": {"action": {"weightedTargets": [{"virtualNode": "n", "weight": 1}]}, "match": {"prefix": "/"}}}
GATEWAY_ROUTE = {
    "httpRoute": {"action": {"target": {"virtualService": {"virtualServiceName": "s.local"}}}, "match": {"prefix": "/"}}
}
KINDS = {
    "mesh": ({"meshName": "m"}, {}, {"egressFilter": {"type": "ALLOW_ALL"}}),
    "virtual_node": ({"virtualNodeName": "n"}, NODE, {}),
    "virtual_router": ({"virtualRouterName": "r"}, {"listeners": [LISTENER]}, {"listeners": [LISTENER] }),
    "virtual_service": ({"virtualServiceName": "s.local"}, {}, {"provider": {"virtualNode": {"virtualNodeName": "n"}}}),
    "route": ({"virtualRouterName": "r", "routeName": "x"}, ROUTE, ROUTE | {"priority": 3}),
    "virtual_gateway": ({"virtualGatewayName": "g"}, {"listeners": [LISTENER]}, {"listeners": [LISTENER], "logging": {}}),
    "gateway_route": ({"virtualGatewayName": "g", "gatewayRouteName": "x"}, GATEWAY_ROUTE, GATEWAY_ROUTE | {"priority": 3}),
}
"""kind → its own names, a spec, another spec; in an order in which each can be made after those before."""
ARNS = {
    "mesh": "mesh/m",
    "virtual_node": "mesh/m/virtualNode/n",
    "virtual_router": "mesh/m/virtualRouter/r",
    "virtual_service": "mesh/m/virtualService/s.local",
    "route": "mesh/m/virtualRouter/r/route/x",
    "virtual_gateway": "mesh/m/virtualGateway/g",
    "gateway_route": "mesh/m/virtualGateway/g/gatewayRoute/x",
}


def call(client: Json, verb: str, kind: str, **params: Json) -> Json:
    """One operation; the resource where there is one."""
    name = {"mesh": "meshes"}.get(kind, f"{kind}s") if verb == "list" else kind
    answer = getattr(client, f"{verb}_{name}")(**({"meshName": "m"} | params))
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    return answer


def member(kind: str) -> str:
    """virtual_node → virtualNode."""
    first, *rest = kind.split("_")
    return first + "".join(word.capitalize() for word in rest)


@pytest.fixture
def shop(appmesh: Json) -> Json:
    """A mesh with one of each kind."""
    for kind, (names, spec, _) in KINDS.items():
        call(appmesh, "create", kind, **names, spec=spec, tags=[{"key": "z", "value": "1"}, {"key": "a", "value": ""}])
    return appmesh


@pytest.mark.parametrize("kind", KINDS)
def test_a_resource_lives(shop: Json, kind: str) -> None:
    names, spec, other = KINDS[kind]
    made = call(shop, "describe", kind, **names)[member(kind)]
    metadata = made.pop("metadata")
    assert made == {"meshName": "m", **names, "spec": spec, "status": {"status": "ACTIVE"}}
    assert metadata["arn"] == f"arn:aws:appmesh:{REGION}:{ACCOUNT}:{ARNS[kind]}"
    assert (metadata["meshOwner"], metadata["resourceOwner"], metadata["version"]) == (ACCOUNT, ACCOUNT, 1)
    assert metadata["createdAt"] == metadata["lastUpdatedAt"]

    changed = call(shop, "update", kind, **names, spec=other)[member(kind)]
    assert changed["spec"] == other
    assert changed["metadata"]["version"] == (1 if other == spec else 2)
    assert changed["metadata"]["uid"] == metadata["uid"]
    assert changed["metadata"]["createdAt"] == metadata["createdAt"]
    assert call(shop, "describe", kind, **names)[member(kind)] == changed
