"""Who an Envoy of App Mesh's image is, where it may be dialled, and which plan it has, without a socket."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.agent.acks import Sighting
from gateway.agent.aws_image.admission import address_of, admit
from gateway.agent.aws_image.identity import Claimed
from gateway.agent.aws_image.settings import Settings
from gateway.agent.compose import compose
from gateway.agent.discovery import Found
from gateway.agent.images import REMEMBERED_SECONDS, remembered
from gateway.agent.inventory import Workload
from gateway.agent.plans import Image
from isthmus.errors import Conflict, IsthmusError, NotFound, Unavailable
from isthmus.xds.snapshot import Type
from tests import build
from tests.unit.agent.given import BLUE, FRONT, GREEN, INGRESS, MESH, instance, mesh, world

ACCOUNT = "111122223333"
BARE = instance("front", {})
CLAIMED = Claimed("shop", "node", "front")
IMAGE = Workload(BARE, MESH, "node", "front")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mesh/shop/virtualNode/front", CLAIMED),
        ("mesh/shop/virtualGateway/in", Claimed("shop", "gateway", "in")),
        ("mesh/shop@111122223333/virtualNode/front", replace(CLAIMED, owner=ACCOUNT)),
        (
            "arn:aws-cn:appmesh:cn-north-1:111122223333:mesh/shop/virtualNode/front",
            replace(CLAIMED, region="cn-north-1", account=ACCOUNT),
        ),
    ],
    ids=["a node", "a gateway", "a shared mesh", "an ARN"],
)
def test_names_of_app_mesh(text: str, expected: Claimed) -> None:
    assert Claimed.parse(text) == expected


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.0.0.1:4711", "10.0.0.1"),
        ("ipv6:%5B2001:db8::1%5D:4711", "2001:db8::1"),
        ("ipv6:[::ffff:10.0.0.1]:4711", "10.0.0.1"),
        ("ipv6:%5Bfe80::1%25eth0%5D:4711", "fe80::1"),
    ],
)
def test_where_a_stream_comes_from(peer: str, address: str) -> None:
    assert address_of(peer) == address


@pytest.mark.parametrize(
    ("host", "signed"),
    [
        ("XDS.example.test", ("xds.example.test:15812",)),
        ("xds.example.test:443", ("xds.example.test", "xds.example.test:443")),
        ("[2001:db8::1]:443", ("[2001:db8::1]", "[2001:db8::1]:443")),
        ("10.0.0.1:8443", ("10.0.0.1:8443",)),
    ],
)
def test_what_may_be_signed_as_host(host: str, signed: tuple[str, ...]) -> None:
    assert Settings("0.0.0.0:15812", Path(), Path(), (host,)).signed_hosts() == signed


@pytest.mark.parametrize("hosts", [(), ("a b",), ("2001:db8::1",)], ids=["none", "no host", "IPv6 without brackets"])
def test_what_may_not(hosts: tuple[str, ...]) -> None:
    with pytest.raises(IsthmusError):
        Settings("127.0.0.1:15812", Path(), Path(), hosts).signed_hosts()


def test_a_listed_instance_gives_its_name_and_any_other_envoy_its_address() -> None:
    given = world(BARE, GREEN)
    listed = compose(given).inventory.workloads
    assert admit(CLAIMED, ACCOUNT, "10.0.0.1", given, listed) == IMAGE
    other = admit(CLAIMED, ACCOUNT, "10.0.0.3", given, listed)
    assert (other.instance.name, other.instance.proxied) == ("front@10.0.0.3", False), "green is no front"


def test_two_nodes_of_one_name_at_one_address_have_two_names() -> None:
    taken = Workload(instance("in@10.0.0.7", {}), MESH, "gateway", "in")
    given = world(images={"front@10.0.0.7": taken})
    assert admit(CLAIMED, ACCOUNT, "10.0.0.7", given, ()).instance.name == "shop/node/front@10.0.0.7"


def test_a_mesh_whose_account_is_not_known_yet_is_nobodys() -> None:
    """What an older compiler made does not say it."""
    held = mesh()
    old = replace(held, directory=replace(held.directory, facts=replace(held.directory.facts, account="")))
    with pytest.raises(Unavailable):
        admit(CLAIMED, ACCOUNT, "10.0.0.1", world(meshes={MESH: old}), ())


def test_one_account_may_have_meshes_of_one_name_in_two_regions() -> None:
    held = mesh()
    there = replace(held, directory=replace(held.directory, facts=replace(held.directory.facts, region="eu-west-1")))
    given = world(meshes={"0": there, MESH: held})
    assert admit(replace(CLAIMED, region="us-east-1"), ACCOUNT, "10.0.0.1", given, ()).mesh == MESH


@pytest.mark.parametrize(
    ("claimed", "error"),
    [
        (replace(CLAIMED, mesh="other"), NotFound),
        (replace(CLAIMED, of="nobody"), NotFound),
        (replace(CLAIMED, region="eu-west-1"), NotFound),
    ],
)
def test_what_is_not_here(claimed: Claimed, error: type[IsthmusError]) -> None:
    with pytest.raises(error):
        admit(claimed, ACCOUNT, "10.0.0.1", world(), ())


def test_an_instance_with_a_wardens_proxy_is_not_taken_from_it() -> None:
    given = world(FRONT)
    with pytest.raises(Conflict, match="list it without ports"):
        admit(CLAIMED, ACCOUNT, "10.0.0.1", given, compose(given).inventory.workloads)


def test_an_instance_that_once_had_a_wardens_proxy_is_not_spoken_to_in_plaintext_again() -> None:
    given = world(BARE, proxied={"front": {8080: 15006}})
    with pytest.raises(Conflict, match="take it off the list"):
        admit(CLAIMED, ACCOUNT, "10.0.0.1", given, compose(given).inventory.workloads)


def test_a_node_says_whether_an_image_may_be_it_whatever_its_mesh_says() -> None:
    made = build.mesh(build.transport("front", "permissive"), settings={"transport": "strict"})
    given = world(BARE, BLUE, images={"front": IMAGE}, meshes={MESH: mesh(made)})
    plan = compose(given).plans["front"]
    bodies = [r.body for r in plan.resources.values() if r.type == Type.ENDPOINTS]
    assert not any(b"10.0.0.2" in body for body in bodies), "what is strict it cannot call"


def test_a_listed_gateway_is_the_images_while_it_has_one() -> None:
    """Its ports must be listed, and nobody calls it by mutual TLS."""
    given = world(INGRESS)
    work = admit(Claimed("shop", "gateway", "ingress"), ACCOUNT, "10.0.0.4", given, compose(given).inventory.workloads)
    plan = compose(replace(given, images={"ingress": work})).plans["ingress"]
    assert (isinstance(plan.recipe, Image), plan.host, plan.state.identity) == (True, "", "")


def test_an_image_that_nothing_changed_for_keeps_its_plan() -> None:
    given = world(BARE, BLUE, images={"front": IMAGE})
    first = compose(given)
    again = compose(replace(given, found=Found((BARE, BLUE, instance("stranger")))), first)
    assert again.plans["front"] is first.plans["front"]
    moved = compose(replace(given, found=Found((BARE, replace(BLUE, address="10.0.0.9")))), first)
    assert moved.plans["front"].target.definition == first.plans["front"].target.definition
    body = next(
        r.body for r in moved.plans["front"].resources.values() if r.type == Type.ENDPOINTS and b"10.0.0.9" in r.body
    )
    assert b"mtls" not in body


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"meshes": {}}, "its mesh is not in this cluster"),
        ({"meshes": {MESH: mesh(build.mesh(build.placement("front", "west")))}}, "front is not placed"),
        ({"meshes": {MESH: mesh(build.mesh(settings={"transport": "strict"}))}}, "strict"),
        ({"meshes": {MESH: mesh(build.mesh(build.transport("front")))}}, "strict"),
    ],
    ids=["no mesh", "placed elsewhere", "a strict mesh", "a strict node"],
)
def test_why_an_image_has_no_plan(changes: dict[str, Any], why: str) -> None:
    made = compose(world(BARE, images={"front": IMAGE}, **changes))
    assert "front" not in made.plans
    assert why in made.left_out["front"]


def test_an_image_gets_the_newest_view_whatever_it_runs() -> None:
    made = compose(world(BARE, images={"front": IMAGE}, minors={"front": "1.34"}))
    assert made.plans["front"].state.minor == "1.40"


@pytest.mark.parametrize(
    ("sighting", "away", "kept"),
    [
        (Sighting(1, connected=True), 0.0, True),
        (Sighting(1, connected=True), 2 * REMEMBERED_SECONDS, True),
        (Sighting(1, watched=False), REMEMBERED_SECONDS, True),
        (Sighting(1, watched=False), REMEMBERED_SECONDS + 1, False),
    ],
    ids=["here", "here for long", "gone", "long gone"],
)
def test_an_image_that_has_gone_is_remembered_for_a_while(sighting: Sighting, away: float, kept: bool) -> None:  # noqa: FBT001
    assert ("front" in remembered({"front": IMAGE}, {"front": sighting}, away)) is kept
