"""Everything that can go wrong, as boto3 reports it: one row, one refusal, and nothing is changed by it."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from isthmus.model.operations.table import ERRORS
from isthmus.store.access_keys import Made
from isthmus.store.quotas import APP_MESH, Quotas
from tests.contract.appmesh.conftest import REGION, Installation, Tenant, client, refused

Json = Any
NODE: Json = {"listeners": [{"portMapping": {"port": 80, "protocol": "http"}}]} | {
    "serviceDiscovery": {"dns": {"hostname": "a.local"}}
}


def to(*nodes: str, **more: Json) -> Json:
    """An http route's spec."""
    targets = [{"virtualNode": node, "weight": 1} for node in nodes]
    return {"httpRoute": {"action": {"weightedTargets": targets}, "match": {"prefix": "/"} | more}}


def towards(service: str, **match: Json) -> Json:
    """A gateway route's spec."""
    target = {"virtualService": {"virtualServiceName": service}}
    return {"httpRoute": {"action": {"target": target}, "match": match or {"prefix": "/"}}}


M, N, R, S, G = (
    {"meshName": "m"},
    {"virtualNodeName": "n"},
    {"virtualRouterName": "r"},
    {"virtualServiceName": "s"},
    {"virtualGatewayName": "g"},
)
X, Y = {"routeName": "x"}, {"gatewayRouteName": "y"}
LISTENER: Json = {"portMapping": {"port": 80, "protocol": "http"}}


@pytest.fixture
def shop(appmesh: Json) -> Json:
    """A mesh: service s → router r → route x → node n, and gateway g → route y → s."""
    appmesh.create_mesh(**M)
    appmesh.create_virtual_node(**M, **N, spec=NODE | {"backends": [{"virtualService": {"virtualServiceName": "t"}}]})
    appmesh.create_virtual_router(**M, **R, spec={"listeners": [LISTENER]})
    appmesh.create_route(**M, **R, **X, spec=to("n"))
    appmesh.create_virtual_service(**M, **S, spec={"provider": {"virtualRouter": R}})
    appmesh.create_virtual_gateway(**M, **G, spec={"listeners": [LISTENER]})
    appmesh.create_gateway_route(**M, **G, **Y, spec=towards("s"))
    return appmesh


ROWS: list[tuple[str, str, Json, str, str]] = [
    # operation, why (the test's id), parameters, exception, part of the message
    ("create_mesh", "name taken", M, "ConflictException", "already"),
    ("create_virtual_node", "name taken", M | N | {"spec": {}}, "ConflictException", "already exists"),
    ("create_route", "name taken", M | R | X | {"spec": to("n")}, "ConflictException", "already exists"),
    (
        "create_virtual_node",
        "no mesh",
        {"meshName": "no"} | N | {"spec": {}},
        "NotFoundException",
        "Mesh with name no is",
    ),
    ("create_route", "no router", M | {"virtualRouterName": "no"} | X | {"spec": to("n")}, "NotFoundException", "no"),
    (
        "create_route",
        "no node",
        M | R | {"routeName": "z", "spec": to("n", "gone", "lost")},
        "NotFoundException",
        "gone",
    ),
    ("update_route", "no node", M | R | X | {"spec": to("gone")}, "NotFoundException", "gone"),
    (
        "update_virtual_service",
        "no provider",
        M | S | {"spec": {"provider": {"virtualRouter": {"virtualRouterName": "no"}}}},
        "NotFoundException",
        "VirtualRouter no",
    ),
    (
        "create_gateway_route",
        "no service",
        M | G | {"gatewayRouteName": "z", "spec": towards("no")},
        "NotFoundException",
        "VirtualService no",
    ),
    (
        "describe_virtual_node",
        "not there",
        M | {"virtualNodeName": "no"},
        "NotFoundException",
        "VirtualNode with name no is not present under mesh m",
    ),
    (
        "describe_route",
        "no router",
        M | {"virtualRouterName": "no"} | X,
        "NotFoundException",
        "VirtualRouter with name no",
    ),
    ("list_routes", "no router", M | {"virtualRouterName": "no"}, "NotFoundException", "VirtualRouter with name no"),
    ("list_virtual_nodes", "no mesh", {"meshName": "no"}, "NotFoundException", "Mesh with name no"),
    ("update_virtual_node", "not there", M | {"virtualNodeName": "no", "spec": {}}, "NotFoundException", "not present"),
    ("delete_virtual_gateway", "not there", M | {"virtualGatewayName": "no"}, "NotFoundException", "not present"),
    (
        "list_virtual_nodes",
        "another owner",
        M | {"meshOwner": "999999999999"},
        "NotFoundException",
        "account 999999999999",
    ),
    ("delete_mesh", "something is in it", M, "ResourceInUseException", "Mesh m"),
    ("delete_virtual_node", "a route's target", M | N, "ResourceInUseException", "Route r/x"),
    ("delete_virtual_router", "has a route, provides", M | R, "ResourceInUseException", "VirtualService s"),
    ("delete_virtual_service", "a gateway route's target", M | S, "ResourceInUseException", "GatewayRoute g/y"),
    ("delete_virtual_gateway", "has a route", M | G, "ResourceInUseException", "GatewayRoute g/y"),
    (
        "create_virtual_node",
        "several violations",
        M | {"virtualNodeName": "z", "spec": {"listeners": [{"portMapping": {"port": 65536, "protocol": "htp"}}]}},
        "BadRequestException",
        "/spec/listeners/0/portMapping/protocol",
    ),
    (
        "create_virtual_node",
        "discovery without a listener",
        M | {"virtualNodeName": "z", "spec": {"serviceDiscovery": {"dns": {"hostname": "a"}}}},
        "BadRequestException",
        "listener",
    ),
    (
        "create_virtual_router",
        "an empty list of listeners",
        M | {"virtualRouterName": "z", "spec": {"listeners": []}},
        "BadRequestException",
        "/spec/listeners",
    ),
    (
        "create_route",
        "prefix and path",
        M | R | {"routeName": "z", "spec": to("n", path={"exact": "/"})},
        "BadRequestException",
        "prefix",
    ),
    (
        "create_route",
        "weights over 100",
        M
        | R
        | {
            "routeName": "z",
            "spec": {
                "tcpRoute": {
                    "action": {
                        "weightedTargets": [{"virtualNode": "n", "weight": 60}, {"virtualNode": "n", "weight": 41}]
                    }
                }
            },
        },
        "BadRequestException",
        "100",
    ),
    (
        "create_route",
        "two types",
        M
        | R
        | {
            "routeName": "z",
            "spec": to("n") | {"tcpRoute": {"action": {"weightedTargets": [{"virtualNode": "n", "weight": 1}]}}},
        },
        "BadRequestException",
        "exactly one",
    ),
    (
        "create_route",
        "another protocol",
        M
        | R
        | {
            "routeName": "z",
            "spec": {"tcpRoute": {"action": {"weightedTargets": [{"virtualNode": "n", "weight": 1}]}}},
        },
        "BadRequestException",
        "tcp",
    ),
    (
        "create_route",
        "a port that is not listened on",
        M | R | {"routeName": "z", "spec": to("n", port=81)},
        "BadRequestException",
        "81",
    ),
    (
        "update_virtual_router",
        "the protocol of its routes goes",
        M | R | {"spec": {"listeners": [{"portMapping": {"port": 80, "protocol": "tcp"}}]}},
        "BadRequestException",
        "Route r/x",
    ),
    (
        "update_virtual_router",
        "several listeners, routes without port",
        M | R | {"spec": {"listeners": [LISTENER, {"portMapping": {"port": 81, "protocol": "http"}}]}},
        "BadRequestException",
        "port match",
    ),
    (
        "create_gateway_route",
        "a reserved prefix",
        M | G | {"gatewayRouteName": "z", "spec": towards("s", prefix="/aws-appmesh-x")},
        "BadRequestException",
        "/aws-appmesh",
    ),
    (
        "create_mesh",
        "tags twice",
        {"meshName": "z", "tags": [{"key": "a", "value": ""}, {"key": "a", "value": ""}]},
        "BadRequestException",
        "/tags/1/key",
    ),
    (
        "create_mesh",
        "51 tags",
        {"meshName": "z", "tags": [{"key": f"{i}", "value": ""} for i in range(51)]},
        "BadRequestException",
        "/tags",
    ),
    ("list_meshes", "limit 101", {"limit": 101}, "BadRequestException", "/limit"),
    ("list_meshes", "a token that is none", {"nextToken": "x"}, "BadRequestException", "token"),
    ("list_tags_for_resource", "no ARN", {"resourceArn": "mesh/m"}, "BadRequestException", "ARN"),
    (
        "list_tags_for_resource",
        "not there",
        {"resourceArn": "arn:aws:appmesh:eu-west-1:999999999999:mesh/m"},
        "NotFoundException",
        "not present",
    ),
]


@pytest.mark.parametrize(
    ("operation", "params", "code", "part"),
    [(row[0], row[2], row[3], row[4]) for row in ROWS],
    ids=[f"{row[0]}: {row[1]}" for row in ROWS],
)
def test_a_refusal(shop: Json, v1: httpx.Client, operation: str, params: Json, code: str, part: str) -> None:
    before = v1.get("/v1/meshes/m").json()
    said, status, message = refused(getattr(shop, operation), **params)
    assert (said, status) == (code, ERRORS[code])
    assert part in message
    assert v1.get("/v1/meshes/m").json() == before


HEALTH = {"healthyThreshold": 2, "unhealthyThreshold": 2, "intervalMillis": 5000, "timeoutMillis": 60001} | {
    "protocol": "http"
}


def test_every_violation_is_named(shop: Json) -> None:
    listener = {"portMapping": {"port": 65536, "protocol": "htp"}, "healthCheck": HEALTH}
    spec = {"listeners": [listener], "logging": {"accessLog": {"file": {"path": "x" * 256}}}}
    _, _, message = refused(shop.create_virtual_node, **M, virtualNodeName="z", spec=spec)
    for pointer in ("portMapping/port:", "portMapping/protocol:", "healthCheck/timeoutMillis:", "file/path:"):
        assert pointer in message


def test_a_deletion_is_free_once_nothing_refers_to_it(shop: Json) -> None:
    """Backends of nodes block nothing, and may be ahead of their service."""
    shop.create_virtual_service(**M, virtualServiceName="t", spec={})
    shop.delete_virtual_service(**M, virtualServiceName="t")
    shop.delete_gateway_route(**M, **G, **Y)
    shop.delete_virtual_service(**M, **S)
    shop.delete_route(**M, **R, **X)
    shop.delete_virtual_node(**M, **N)
    shop.delete_virtual_router(**M, **R)
    shop.delete_virtual_gateway(**M, **G)
    shop.delete_mesh(**M)


def test_too_many_tags_set_none(shop: Json) -> None:
    arn = shop.describe_mesh(**M)["mesh"]["metadata"]["arn"]
    shop.tag_resource(resourceArn=arn, tags=[{"key": f"{i}", "value": ""} for i in range(49)])
    code, status, _ = refused(shop.tag_resource, resourceArn=arn, tags=[{"key": k, "value": ""} for k in ("a", "b")])
    assert (code, status) == ("TooManyTagsException", 400)
    assert len(shop.list_tags_for_resource(resourceArn=arn)["tags"]) == 49
    shop.tag_resource(resourceArn=arn, tags=[{"key": "a", "value": ""}, {"key": "0", "value": "again"}])


def make(client: Json, quota: str) -> Callable[[int], Json]:
    """What makes the i-th thing that a quota counts."""
    node: Json = {"virtualNode": {"virtualNodeName": "n"}}
    return {
        "meshes_per_account_and_region": lambda i: client.create_mesh(meshName=f"m{i}"),
        "virtual_nodes_per_mesh": lambda i: client.create_virtual_node(**M, virtualNodeName=f"n{i}", spec={}),
        "virtual_services_per_mesh": lambda i: client.create_virtual_service(
            **M, virtualServiceName=f"s{i}", spec={"provider": node}
        ),
        "virtual_routers_per_mesh": lambda i: client.create_virtual_router(**M, virtualRouterName=f"r{i}", spec={}),
        "virtual_gateways_per_mesh": lambda i: client.create_virtual_gateway(
            **M, virtualGatewayName=f"g{i}", spec={"listeners": [LISTENER]}
        ),
        "routes_per_virtual_router": lambda i: client.create_route(**M, **R, routeName=f"x{i}", spec=to("n")),
        "gateway_routes_per_virtual_gateway": lambda i: client.create_gateway_route(
            **M, **G, gatewayRouteName=f"y{i}", spec=towards("s")
        ),
    }[quota]


@pytest.mark.parametrize("quota", [q for q in APP_MESH if q != "backends_per_virtual_node"])
def test_a_quota_of_app_meshs_can_be_had_and_is_kept(
    shop: Json, installation: Installation, tenant: Tenant, quota: str
) -> None:
    """Lowered to App Mesh's figure, or to 20 where that would only take longer. One of each is there already."""
    limit = min(APP_MESH[quota], 20)
    create = make(shop, quota)
    with installation.database.tenant(tenant.org) as session:
        Quotas(session, tenant.org).set(quota, limit)
    for i in range(limit - 1):
        create(i)
    with pytest.raises(shop.exceptions.LimitExceededException, match=quota) as caught:
        create(limit)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    with installation.database.tenant(tenant.org) as session:
        Quotas(session, tenant.org).set(quota, None)
    create(limit)


def test_a_node_has_so_many_backends(shop: Json, installation: Installation, tenant: Tenant) -> None:
    with installation.database.tenant(tenant.org) as session:
        Quotas(session, tenant.org).set("backends_per_virtual_node", APP_MESH["backends_per_virtual_node"])
    backends = [{"virtualService": {"virtualServiceName": f"s{i}"}} for i in range(51)]
    code, status, _ = refused(shop.update_virtual_node, **M, **N, spec=NODE | {"backends": backends})
    assert (code, status) == ("LimitExceededException", 400)
    shop.update_virtual_node(**M, **N, spec=NODE | {"backends": backends[:50]})


def test_the_objects_of_a_mesh_are_counted_together(shop: Json, installation: Installation, tenant: Tenant) -> None:
    with installation.database.tenant(tenant.org) as session:
        Quotas(session, tenant.org).set("objects_per_mesh", 7)
    shop.create_virtual_node(**M, virtualNodeName="n2", spec={})
    code, _, message = refused(shop.create_virtual_service, **M, virtualServiceName="s2", spec={})
    assert (code, "objects_per_mesh" in message) == ("LimitExceededException", True)
    shop.update_virtual_node(**M, virtualNodeName="n2", spec=NODE)


def test_meshes_made_at_once_do_not_exceed_their_quota(
    shop: Json, installation: Installation, tenant: Tenant, key: Made
) -> None:
    with installation.database.tenant(tenant.org) as session:
        Quotas(session, tenant.org).set("meshes_per_account_and_region", 3)
    clients = [client(installation, key) for _ in range(8)]

    def create(i: int) -> bool:
        try:
            clients[i].create_mesh(meshName=f"m{i}")
        except clients[i].exceptions.LimitExceededException:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(create, range(8))) == 2
    assert len(shop.list_meshes()["meshes"]) == 3


def test_a_quota_that_is_lowered_refuses_only_more_of_the_same(
    shop: Json, installation: Installation, tenant: Tenant
) -> None:
    """Not routes in another router, nor tags for a node with many backends, nor the loss of one of them."""
    backends = [{"virtualService": {"virtualServiceName": f"s{i}"}} for i in range(4)]
    shop.create_route(**M, **R, routeName="x2", spec=to("n"))
    shop.create_virtual_router(**M, virtualRouterName="r2", spec={"listeners": [LISTENER]})
    node = shop.update_virtual_node(**M, **N, spec=NODE | {"backends": backends})["virtualNode"]
    with installation.database.tenant(tenant.org) as session:
        for quota in ("routes_per_virtual_router", "backends_per_virtual_node"):
            Quotas(session, tenant.org).set(quota, 1)
    shop.create_route(**M, virtualRouterName="r2", **X, spec=to("n"))
    shop.tag_resource(resourceArn=node["metadata"]["arn"], tags=[{"key": "a", "value": "b"}])
    shop.update_virtual_node(**M, **N, spec=NODE | {"backends": backends[1:]})
    for call, params in (
        (shop.create_route, M | R | {"routeName": "x3", "spec": to("n")}),
        (shop.update_virtual_node, M | N | {"spec": NODE | {"backends": backends}}),
    ):
        assert refused(call, **params)[0] == "LimitExceededException"


@pytest.mark.parametrize("half", ["clientToken", "meshName", "spec", "tags"])
def test_half_a_surrogate_pair_is_refused(installation: Installation, key: Made, half: str) -> None:
    asked: Json = {"meshName": "m2", "clientToken": "t"}
    tagged, spec = {"tags": [{"key": "a", "value": "\ud800"}]}, {"spec": {"\ud800": 1}}
    asked |= {"spec": spec, "tags": tagged}.get(half, {half: "\ud800"})
    assert _sent(installation, key, "PUT", "/v20190125/meshes", asked) == (400, "BadRequestException")


def test_a_number_of_thousands_of_digits_is_refused(installation: Installation, key: Made) -> None:
    assert _sent(installation, key, "GET", f"/v20190125/meshes?limit={'9' * 5000}") == (400, "BadRequestException")


def _sent(installation: Installation, key: Made, method: str, path: str, body: Json = None) -> tuple[int, str]:
    """What no client of AWS's would send, signed by hand."""
    url, content = installation.url + path, b"" if body is None else json.dumps(body).encode()
    asked = AWSRequest(method, url, data=content)
    SigV4Auth(Credentials(key.id, str(key.secret)), "appmesh", REGION).add_auth(asked)
    answer = httpx.request(method, url, content=content, headers=dict(asked.headers))
    return answer.status_code, answer.headers["x-amzn-errortype"]
