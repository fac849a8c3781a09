"""A mesh that several accounts of an org use: who sees, makes, changes and deletes what (appmesh.md §3.8)."""

from typing import Any

import httpx
import pytest

from tests.contract.appmesh.conftest import REGION, refused

Json = Any
TARGETS = {"weightedTargets": [{"virtualNode": "theirs", "weight": 1}]}
ROUTE = {"httpRoute": {"action": TARGETS, "match": {"prefix": "/"}}}
LISTENER = {"portMapping": {"port": 80, "protocol": "http"}}


@pytest.fixture
def shared(appmesh: Json, consumer: Json, account: str) -> Json:
    """The parameters of calls to a mesh in which both accounts have a node."""
    appmesh.create_mesh(meshName="m")
    appmesh.create_virtual_node(meshName="m", virtualNodeName="ours", spec={})
    theirs = {"meshName": "m", "meshOwner": account}
    consumer.create_virtual_node(**theirs, virtualNodeName="theirs", spec={})
    return theirs


def test_owners_are_told_apart(appmesh: Json, consumer: Json, shared: Json, account: str, second: str) -> None:
    node = consumer.describe_virtual_node(**shared, virtualNodeName="theirs")["virtualNode"]["metadata"]
    assert (node["meshOwner"], node["resourceOwner"]) == (account, second)
    assert node["arn"] == f"arn:aws:appmesh:{REGION}:{second}:mesh/m/virtualNode/theirs"
    assert appmesh.describe_virtual_node(meshName="m", virtualNodeName="theirs")["virtualNode"]["metadata"] == node
    for client in (appmesh, consumer):
        listed = client.list_virtual_nodes(**shared)["virtualNodes"]
        assert [(n["virtualNodeName"], n["resourceOwner"]) for n in listed] == [("ours", account), ("theirs", second)]
        (mesh,) = client.list_meshes()["meshes"]
        assert (mesh["meshOwner"], mesh["resourceOwner"]) == (account, account)
    assert consumer.describe_mesh(**shared)["mesh"]["metadata"]["meshOwner"] == account


def test_without_the_owner_a_mesh_is_ones_own(consumer: Json, shared: Json, second: str) -> None:
    code, _, message = refused(consumer.describe_virtual_node, meshName="m", virtualNodeName="theirs")
    assert (code, second in message) == ("NotFoundException", True)
    consumer.create_mesh(meshName="m")
    assert [m["meshOwner"] for m in consumer.list_meshes()["meshes"]] == sorted([shared["meshOwner"], second])


def test_a_consumer_makes_and_changes_its_own(consumer: Json, shared: Json) -> None:
    consumer.create_virtual_router(**shared, virtualRouterName="r", spec={"listeners": [LISTENER]})
    consumer.create_route(**shared, virtualRouterName="r", routeName="x", spec=ROUTE)
    provider = {"provider": {"virtualRouter": {"virtualRouterName": "r"}}}
    consumer.create_virtual_service(**shared, virtualServiceName="s", spec=provider)
    changed = consumer.update_route(**shared, virtualRouterName="r", routeName="x", spec=ROUTE | {"priority": 1})
    assert changed["route"]["metadata"]["version"] == 2
    consumer.delete_virtual_service(**shared, virtualServiceName="s")
    consumer.delete_route(**shared, virtualRouterName="r", routeName="x")
    consumer.delete_virtual_router(**shared, virtualRouterName="r")


def test_an_update_by_its_owner_keeps_whose_it_is(consumer: Json, shared: Json, second: str) -> None:
    spec = {"listeners": [LISTENER], "serviceDiscovery": {"dns": {"hostname": "h"}}}
    node = consumer.update_virtual_node(**shared, virtualNodeName="theirs", spec=spec)["virtualNode"]
    assert (node["metadata"]["resourceOwner"], node["metadata"]["version"]) == (second, 2)


def test_a_consumer_may_not(consumer: Json, shared: Json) -> None:
    gateway = {"virtualGatewayName": "g", "spec": {"listeners": [LISTENER]}}
    for call, params in (
        (consumer.create_virtual_gateway, gateway),
        (consumer.list_virtual_gateways, {}),
        (consumer.describe_virtual_gateway, {"virtualGatewayName": "g"}),
        (consumer.list_gateway_routes, {"virtualGatewayName": "g"}),
        (consumer.update_virtual_node, {"virtualNodeName": "ours", "spec": {}}),
        (consumer.delete_virtual_node, {"virtualNodeName": "ours"}),
    ):
        assert refused(call, **shared, **params)[:2] == ("ForbiddenException", 403)


def test_the_owner_sees_and_deletes_but_does_not_change_what_is_anothers(appmesh: Json, shared: Json) -> None:
    assert refused(appmesh.update_virtual_node, **shared, virtualNodeName="theirs", spec={})[0] == "ForbiddenException"
    gone = appmesh.delete_virtual_node(**shared, virtualNodeName="theirs")["virtualNode"]
    assert gone["status"]["status"] == "DELETED"


def test_tags_are_private_to_an_account(appmesh: Json, consumer: Json, shared: Json) -> None:
    ours = appmesh.describe_virtual_node(meshName="m", virtualNodeName="ours")["virtualNode"]["metadata"]["arn"]
    theirs = consumer.describe_virtual_node(**shared, virtualNodeName="theirs")["virtualNode"]["metadata"]["arn"]
    for client, own, other in ((appmesh, ours, theirs), (consumer, theirs, ours)):
        client.tag_resource(resourceArn=own, tags=[{"key": "k", "value": "v"}])
        assert client.list_tags_for_resource(resourceArn=own)["tags"] == [{"key": "k", "value": "v"}]
        assert refused(client.list_tags_for_resource, resourceArn=other)[0] == "ForbiddenException"
        assert refused(client.tag_resource, resourceArn=other, tags=[])[0] == "ForbiddenException"
        assert refused(client.untag_resource, resourceArn=other, tagKeys=["k"])[0] == "ForbiddenException"


def test_a_mesh_may_be_kept_from_other_accounts(
    appmesh: Json, consumer: Json, shared: Json, v1: httpx.Client, second: str
) -> None:
    mesh = v1.get("/v1/meshes/m").json()
    for allowed, code in (([], "NotFoundException"), ([second], None)):
        settings = mesh["settings"] | {"shared_with": allowed}
        put = v1.put("/v1/meshes/m", json=mesh | {"settings": settings}, headers={"If-Match": "*"})
        assert put.status_code == 200, put.text
        if code:
            assert refused(consumer.list_virtual_nodes, **shared)[0] == code
            assert consumer.list_meshes()["meshes"] == []
        else:
            assert len(consumer.list_virtual_nodes(**shared)["virtualNodes"]) == 2
            assert len(consumer.list_meshes()["meshes"]) == 1
    assert len(appmesh.list_virtual_nodes(**shared)["virtualNodes"]) == 2


def test_another_org_sees_nothing(stranger: Json, shared: Json) -> None:
    node = {"virtualNodeName": "theirs"}
    for call, params in (
        (stranger.describe_mesh, shared),
        (stranger.list_virtual_nodes, shared),
        (stranger.describe_virtual_node, shared | node),
        (stranger.update_virtual_node, shared | node | {"spec": {}}),
        (stranger.delete_virtual_node, shared | node),
        (stranger.create_virtual_node, shared | {"virtualNodeName": "mine", "spec": {}}),
    ):
        assert refused(call, **params)[:2] == ("NotFoundException", 404)
    assert stranger.list_meshes()["meshes"] == []
    arn = f"arn:aws:appmesh:{REGION}:{shared['meshOwner']}:mesh/m"
    assert refused(stranger.list_tags_for_resource, resourceArn=arn)[0] == "NotFoundException"
