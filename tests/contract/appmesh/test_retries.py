"""A client's retry has one effect: the same token and request get the same answer, another request is a conflict."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from isthmus.store.access_keys import Made
from tests.contract.appmesh.conftest import Installation, client, refused

Json = Any
TOKEN = "8c0f2f9e-0000-4000-8000-000000000001"


def plain(answer: Json) -> Json:
    """Without what says which request it was."""
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def test_the_same_request_gets_the_same_answer(appmesh: Json, v1: httpx.Client) -> None:
    made = appmesh.create_mesh(meshName="m", clientToken=TOKEN)
    assert plain(appmesh.create_mesh(meshName="m", clientToken=TOKEN)) == plain(made)
    node = appmesh.create_virtual_node(meshName="m", virtualNodeName="n", spec={}, clientToken="other")
    appmesh.update_mesh(meshName="m", spec={"egressFilter": {"type": "ALLOW_ALL"}})
    assert plain(appmesh.create_mesh(meshName="m", clientToken=TOKEN)) == plain(made), "as it was answered then"
    again = appmesh.create_virtual_node(meshName="m", virtualNodeName="n", spec={}, clientToken="other")
    assert plain(again) == plain(node)
    assert v1.get("/v1/meshes/m").json()["meta"]["head"] == 3


def test_another_request_is_a_conflict(appmesh: Json) -> None:
    appmesh.create_mesh(meshName="m", clientToken=TOKEN)
    for call, params in (
        (appmesh.create_mesh, {"meshName": "m2"}),
        (appmesh.create_mesh, {"meshName": "m", "spec": {"egressFilter": {"type": "ALLOW_ALL"}}}),
        (appmesh.update_mesh, {"meshName": "m"}),
    ):
        code, status, message = refused(call, **params, clientToken=TOKEN)
        assert (code, status) == ("ConflictException", 409)
        assert "clientToken" in message


def test_a_refused_request_may_be_mended_and_sent_again(appmesh: Json) -> None:
    node = {"meshName": "m", "virtualNodeName": "n", "clientToken": TOKEN}
    assert refused(appmesh.create_virtual_node, **node, spec={})[0] == "NotFoundException"
    appmesh.create_mesh(meshName="m")
    appmesh.create_virtual_node(**node, spec={})


def test_a_token_is_an_accounts_own(appmesh: Json, consumer: Json, stranger: Json) -> None:
    for each in (appmesh, consumer, stranger):
        each.create_mesh(meshName="m", clientToken=TOKEN)


def test_of_equal_requests_at_once_one_has_the_effect_and_all_the_answer(
    installation: Installation, key: Made, appmesh: Json, v1: httpx.Client
) -> None:
    appmesh.create_mesh(meshName="m")
    clients = [client(installation, key) for _ in range(6)]

    def create(each: Json) -> Json:
        return plain(each.create_virtual_node(meshName="m", virtualNodeName="n", spec={}, clientToken=TOKEN))

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(create, clients))
    assert all(answer == answers[0] for answer in answers)
    assert v1.get("/v1/meshes/m").json()["meta"]["head"] == 2


def test_of_different_requests_for_one_name_at_once_one_wins(
    installation: Installation, key: Made, appmesh: Json
) -> None:
    clients = [client(installation, key) for _ in range(6)]

    def create(each: Json) -> str:
        try:
            each.create_mesh(meshName="m")
        except each.exceptions.ConflictException:
            return "conflict"
        return "made"

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(create, clients)) == ["conflict"] * 5 + ["made"]
