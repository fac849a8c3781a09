"""Every operation through boto3 as it is: what is written comes back, is listed, tagged, versioned and gone."""

from typing import Any

import httpx
import pytest

from isthmus.store.access_keys import Made
from tests.contract.appmesh.conftest import REGION, Installation, Tenant, client, refused
from tests.contract.appmesh.kinds import ARNS, KINDS, member

Json = Any


def call(client: Json, verb: str, kind: str, **params: Json) -> Json:
    """One operation; the resource where there is one."""
    name = {"mesh": "meshes"}.get(kind, f"{kind}s") if verb == "list" else kind
    answer = getattr(client, f"{verb}_{name}")(**({"meshName": "m"} | params))
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    return answer


@pytest.fixture
def shop(appmesh: Json) -> Json:
    """A mesh with one of each kind."""
    for kind, (names, spec, _) in KINDS.items():
        call(appmesh, "create", kind, **names, spec=spec, tags=[{"key": "z", "value": "1"}, {"key": "a", "value": ""}])
    return appmesh


@pytest.mark.parametrize("kind", KINDS)
def test_a_resource_lives(shop: Json, account: str, kind: str) -> None:
    names, spec, other = KINDS[kind]
    made = call(shop, "describe", kind, **names)[member(kind)]
    metadata = made.pop("metadata")
    assert made == {"meshName": "m", **names, "spec": spec, "status": {"status": "ACTIVE"}}
    assert metadata["arn"] == f"arn:aws:appmesh:{REGION}:{account}:{ARNS[kind]}"
    assert (metadata["meshOwner"], metadata["resourceOwner"], metadata["version"]) == (account, account, 1)
    assert metadata["createdAt"] == metadata["lastUpdatedAt"]

    changed = call(shop, "update", kind, **names, spec=other)[member(kind)]
    assert changed["spec"] == other
    assert changed["metadata"]["version"] == (1 if other == spec else 2)
    assert changed["metadata"]["uid"] == metadata["uid"]
    assert changed["metadata"]["createdAt"] == metadata["createdAt"]
    assert call(shop, "describe", kind, **names)[member(kind)] == changed


@pytest.mark.parametrize("kind", KINDS)
def test_a_resource_is_listed_without_its_spec(shop: Json, kind: str) -> None:
    names, _, _ = KINDS[kind]
    described = call(shop, "describe", kind, **names)[member(kind)]["metadata"]
    within = dict(list(names.items())[:-1])
    params = {} if kind == "mesh" else {"meshName": "m"} | within
    listed = getattr(shop, f"list_{'meshes' if kind == 'mesh' else kind + 's'}")(**params)
    (reference,) = listed["meshes" if kind == "mesh" else f"{member(kind)}s"]
    uid = described.pop("uid")
    assert uid
    assert reference == {"meshName": "m"} | names | described
    assert "nextToken" not in listed


def test_everything_goes_in_the_order_that_app_mesh_allows(shop: Json) -> None:
    for kind in reversed(KINDS):
        names, spec, _ = KINDS[kind]
        gone = call(shop, "delete", kind, **names)[member(kind)]
        assert (gone["status"], gone["spec"]) == ({"status": "DELETED"}, spec)
        code, status, message = refused(getattr(shop, f"describe_{kind}"), **({"meshName": "m"} | names))
        assert (code, status) == ("NotFoundException", 404)
        assert " is not present " in message
    assert shop.list_meshes()["meshes"] == []
    again = call(shop, "create", "mesh")["mesh"]
    assert (again["spec"], again["metadata"]["version"]) == ({}, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_tags_are_set_kept_in_order_changed_and_taken_away(shop: Json, kind: str) -> None:
    names, spec, other = KINDS[kind]
    arn = call(shop, "describe", kind, **names)[member(kind)]["metadata"]["arn"]

    def tags() -> list[tuple[str, str]]:
        return [(tag["key"], tag["value"]) for tag in shop.list_tags_for_resource(resourceArn=arn)["tags"]]

    assert tags() == [("z", "1"), ("a", "")]
    shop.tag_resource(resourceArn=arn, tags=[{"key": "b", "value": "2"}, {"key": "z", "value": "3"}])
    assert tags() == [("z", "3"), ("a", ""), ("b", "2")]
    shop.untag_resource(resourceArn=arn, tagKeys=["a", "not there"])
    assert tags() == [("z", "3"), ("b", "2")]
    assert call(shop, "update", kind, **names, spec=other)[member(kind)]["metadata"]["version"] == 1 + (other != spec)
    assert tags() == [("z", "3"), ("b", "2")], "an update of the spec leaves tags alone"


def test_tags_come_in_pages(appmesh: Json) -> None:
    tags = [{"key": f"k{i}", "value": str(i)} for i in range(45, 0, -1)]
    arn = appmesh.create_mesh(meshName="m", tags=tags)["mesh"]["metadata"]["arn"]
    paginator = appmesh.get_paginator("list_tags_for_resource")
    pages = list(paginator.paginate(resourceArn=arn, PaginationConfig={"PageSize": 20}))
    assert [len(page["tags"]) for page in pages] == [20, 20, 5]
    assert [tag for page in pages for tag in page["tags"]] == tags


PAGED = {
    "list_meshes": ({}, "meshes"),
    "list_virtual_nodes": ({"meshName": "m"}, "virtualNodes"),
    "list_virtual_routers": ({"meshName": "m"}, "virtualRouters"),
    "list_virtual_services": ({"meshName": "m"}, "virtualServices"),
    "list_virtual_gateways": ({"meshName": "m"}, "virtualGateways"),
    "list_routes": ({"meshName": "m", "virtualRouterName": "r"}, "routes"),
    "list_gateway_routes": ({"meshName": "m", "virtualGatewayName": "g"}, "gatewayRoutes"),
}


@pytest.mark.parametrize("operation", PAGED)
def test_lists_come_in_pages(shop: Json, operation: str) -> None:
    for i in range(4):
        shop.create_mesh(meshName=f"m{i}")
        for kind, (names, spec, _) in list(KINDS.items())[1:]:
            *within, own = names
            call(shop, "create", kind, **{name: names[name] for name in within}, **{own: f"{names[own]}{i}"}, spec=spec)
    params, listed = PAGED[operation]
    pages = list(shop.get_paginator(operation).paginate(**params, PaginationConfig={"PageSize": 2}))
    assert [len(page[listed]) for page in pages] == [2, 2, 1]
    found = [reference["arn"] for page in pages for reference in page[listed]]
    assert found == [reference["arn"] for reference in getattr(shop, operation)(**params)[listed]]
    assert len(set(found)) == 5
    token = pages[0]["nextToken"]
    rest = getattr(shop, operation)(**params, nextToken=token)[listed]
    assert [reference["arn"] for reference in rest] == found[2:], "without a limit, a token brings all the rest"


@pytest.mark.parametrize("name", ["a/b", "ü x+y", "100%", "*", "a:b", "%2F", "?q=1&r#s", "a\r\nb", "…", "a" * 255])
def test_any_name_is_found_again(appmesh: Json, name: str) -> None:
    appmesh.create_mesh(meshName=name, tags=[{"key": "k", "value": name[:200]}])
    appmesh.create_virtual_node(meshName=name, virtualNodeName=name, spec={})
    node = appmesh.describe_virtual_node(meshName=name, virtualNodeName=name)["virtualNode"]
    assert (node["meshName"], node["virtualNodeName"]) == (name, name)
    mesh = appmesh.describe_mesh(meshName=name)["mesh"]
    for resource in (mesh, node):
        appmesh.tag_resource(resourceArn=resource["metadata"]["arn"], tags=[{"key": "found", "value": "yes"}])
        tags = appmesh.list_tags_for_resource(resourceArn=resource["metadata"]["arn"])["tags"]
        assert tags[-1] == {"key": "found", "value": "yes"}
    appmesh.delete_virtual_node(meshName=name, virtualNodeName=name)
    appmesh.delete_mesh(meshName=name)


def test_a_region_is_the_signatures(installation: Installation, key: Made, appmesh: Json, account: str) -> None:
    appmesh.create_mesh(meshName="m")
    elsewhere = client(installation, key, "us-east-2")
    assert elsewhere.list_meshes()["meshes"] == []
    assert refused(elsewhere.describe_mesh, meshName="m")[:2] == ("NotFoundException", 404)
    made = elsewhere.create_mesh(meshName="m")["mesh"]["metadata"]
    assert made["arn"] == f"arn:aws:appmesh:us-east-2:{account}:mesh/m"


def test_v1_shows_the_same_mesh(shop: Json, v1: httpx.Client, account: str) -> None:
    mesh = v1.get("/v1/meshes/m").json()
    assert {(d["kind"], d["name"]) for d in mesh["resources"]} == {
        ("VirtualNode", "n"), ("VirtualRouter", "r"), ("VirtualService", "s.local"), ("Route", "x"),
        ("VirtualGateway", "g"), ("GatewayRoute", "x"),
    }  # fmt: skip
    assert (mesh["meta"]["account"], mesh["meta"]["region"], mesh["meta"]["head"]) == (account, REGION, len(KINDS))
    put = v1.put(
        "/v1/meshes/m/virtual-nodes/n", json={"spec": {}, "tags": {"from": "v1"}}, headers={"If-Match": "*"}
    ).json()
    node = shop.describe_virtual_node(meshName="m", virtualNodeName="n")["virtualNode"]
    assert (node["spec"], node["metadata"]["version"]) == ({}, 2)
    assert node["metadata"]["uid"] == put["meta"]["uid"]
    assert node["metadata"]["arn"] == put["meta"]["arn"]
    revisions = v1.get("/v1/meshes/m/revisions").json()["items"]
    assert revisions[-1]["author"].startswith("access key AKIA")


def test_a_call_that_changes_nothing_makes_no_revision(shop: Json, v1: httpx.Client) -> None:
    head = v1.get("/v1/meshes/m").json()["meta"]["head"]
    for kind, (names, spec, _) in KINDS.items():
        before = call(shop, "describe", kind, **names)[member(kind)]
        assert call(shop, "update", kind, **names, spec=spec)[member(kind)] == before
        shop.tag_resource(resourceArn=before["metadata"]["arn"], tags=[{"key": "z", "value": "1"}])
        shop.untag_resource(resourceArn=before["metadata"]["arn"], tagKeys=["nothing"])
    assert v1.get("/v1/meshes/m").json()["meta"]["head"] == head


def test_each_write_is_one_revision_with_one_promise(
    shop: Json, v1: httpx.Client, installation: Installation, tenant: Tenant
) -> None:
    head = v1.get("/v1/meshes/m").json()["meta"]["head"]
    shop.update_mesh(meshName="m", spec={"egressFilter": {"type": "DROP_ALL"}})
    shop.tag_resource(
        resourceArn=shop.describe_mesh(meshName="m")["mesh"]["metadata"]["arn"], tags=[{"key": "q", "value": ""}]
    )
    revisions = v1.get("/v1/meshes/m/revisions").json()["items"]
    assert [r["number"] for r in revisions][:2] == [head + 2, head + 1]
    assert [r["reason"] for r in revisions][:2] == ["TagResource m", "UpdateMesh m"]
    with installation.copy.connect() as admin:
        due = admin.execute("SELECT count(*) FROM promises WHERE org_id = %s", [tenant.org]).fetchone()
    assert due == (1,), "what is due already covers what came after"
