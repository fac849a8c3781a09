"""Who calls what in plaintext: what is told of it is what proxies are told to do."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.agent.acks import Sighting
from gateway.agent.inventory import Workload
from gateway.agent.plaintext import NAMED
from gateway.agent.settling import Settled, settle
from gateway.proto import link_pb2 as link
from isthmus.xds import names
from tests import build
from tests.unit.agent.given import BLUE, FRONT, GREEN, INGRESS, MESH, instance, mesh, world

BARE = replace(BLUE, ports={})
IMAGE = Workload(replace(FRONT, ports={}), MESH, "node", "front")


def told(*instances: Any, **more: Any) -> list[tuple[str, str, str, int, list[str]]]:  # noqa: ANN401 - fields of a world
    """The pairs that are said of a cluster without gateways."""
    given = world(*instances, **more)
    said = settle(given, {}, Settled(), {}, 1000.0).summaries[MESH].plaintext
    return [(p.caller_kind, p.caller, p.node, p.port, list(p.instances)) for p in said]


def strict(*documents: Any) -> dict[str, Any]:  # noqa: ANN401 - documents
    return {"meshes": {MESH: mesh(build.mesh(*documents))}}


FRONT_TO_BLUE = ("node", "front", "blue", 8080, ["blue"])


@pytest.mark.parametrize(
    ("instances", "more", "expected"),
    [
        ((FRONT, BLUE), {}, []),
        ((FRONT, BARE), {}, [FRONT_TO_BLUE]),
        ((BARE, GREEN), {}, []),
        ((FRONT, BLUE), {"proxied": {"front": {8080: 15006}}}, [FRONT_TO_BLUE]),
        ((FRONT, BARE), strict(build.transport("blue")), []),
        ((FRONT, BARE), strict(build.transport("green")), [FRONT_TO_BLUE]),
        ((INGRESS, BARE, FRONT), {}, [("gateway", "ingress", "blue", 8080, ["blue"]), FRONT_TO_BLUE]),
        (
            (IMAGE.instance, BLUE, GREEN),
            {"images": {"front": IMAGE}},
            [FRONT_TO_BLUE, ("node", "front", "green", 8080, ["green"])],
        ),
        (
            (FRONT, instance("front-2", address="10.0.0.8"), BARE),
            strict(build.binding("front-2", node="front")),
            [FRONT_TO_BLUE],
        ),
    ],
    ids=[
        "both have proxies",
        "an instance without a proxy",
        "nobody here calls it",
        "a proxy that has acked nothing yet",
        "the called node is strict",
        "another node is strict",
        "a gateway calls, too",
        "an image calls those that have proxies, too",
        "a caller is told once, however many instances it has",
    ],
)
def test_pairs(instances: Any, more: Any, expected: Any) -> None:  # noqa: ANN401 - see the table
    assert told(*instances, **more) == expected


def test_of_very_many_instances_the_first_are_named() -> None:
    made = build.mesh(*(build.binding(f"blue-{i:02}", node="blue") for i in range(NAMED + 2)))
    many = [replace(BARE, name=f"blue-{i:02}", address=f"10.1.0.{i}") for i in range(NAMED + 2)]
    ((*_, named),) = told(FRONT, *many, meshes={MESH: mesh(made)})
    assert named == [f"blue-{i:02}" for i in range(NAMED)]


def test_a_pair_that_comes_or_goes_is_news() -> None:
    given = world(FRONT, BARE)
    first = settle(given, {}, Settled(), {}, 1000.0)
    again = settle(given, {"front": Sighting(1)}, first, {}, 1000.0)
    assert again.summaries[MESH] == first.summaries[MESH]
    mended = settle(world(FRONT, BLUE), {}, again, {}, 1000.0)
    assert mended.summaries[MESH] == link.Summary(mesh=MESH, generation=2, bound=["blue", "front"])


def policy(*, enforce: bool, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - of a client's TLS
    return {"tls": {"enforce": enforce, "validation": {"trust": {"file": {"certificateChain": "/ca.pem"}}}} | more}


def calling(own: Any = None, default: Any = None, tls: Any = None) -> dict[str, Any]:  # noqa: ANN401 - policies, TLS
    """`front` calls the service of `blue` with a policy of its own, or the default one; `tls`: `blue`'s listener's."""
    backend = {"virtualServiceName": build.SERVICE} | ({} if own is None else {"clientPolicy": own})
    defaults = {} if default is None else {"backendDefaults": {"clientPolicy": default}}
    front = build.document("VirtualNode", "front", {"backends": [{"virtualService": backend}]} | defaults)
    return strict(front, build.node("blue", listener={"tls": tls} if tls else None))


PAIR = {"file": {"certificateChain": "/chain.pem", "privateKey": "/key.pem"}}
STRICTLY = {"mode": "STRICT", "certificate": PAIR}
PROXYLESS = replace(FRONT, ports={}, grpc=True)
PLAIN, SECURED = (False, [FRONT_TO_BLUE]), (True, [FRONT_TO_BLUE])


@pytest.mark.parametrize(
    ("caller", "definition", "expected"),
    [
        (FRONT, calling(own={}), PLAIN),
        (FRONT, calling(own=policy(enforce=False)), PLAIN),
        (FRONT, calling(own=policy(enforce=True, ports=[9999])), PLAIN),
        (FRONT, calling(own=policy(enforce=True)), SECURED),
        (FRONT, calling(default=policy(enforce=True)), SECURED),
        (FRONT, calling(default=policy(enforce=True), own=policy(enforce=False)), PLAIN),
        (FRONT, calling(tls=STRICTLY), SECURED),
        (FRONT, calling(tls=STRICTLY | {"mode": "PERMISSIVE"}), PLAIN),
        (PROXYLESS, calling(), PLAIN),
        (PROXYLESS, calling(own={}), PLAIN),
        (PROXYLESS, calling(tls=STRICTLY), (False, [])),
        (IMAGE.instance, calling(own=policy(enforce=False)), PLAIN),
        (IMAGE.instance, calling(own=policy(enforce=True)), SECURED),
    ],
    ids=[
        "a policy of its own that says nothing",
        "one that is not enforced",
        "one for other ports",
        "one that is enforced",
        "the default one, enforced",
        "its own instead of that",
        "a listener that takes no plaintext",
        "one that does",
        "gRPC's own client",
        "with a policy of its own",
        "which does not call whom it cannot",
        "an image, with a policy of its own",
        "with an enforced one",
    ],
)
def test_pairs_of_callers_and_listeners_with_tls(caller: Any, definition: Any, expected: Any) -> None:  # noqa: ANN401
    images: dict[str, Any] = {"images": {"front": IMAGE}} if caller is IMAGE.instance else {}
    said = settle(world(caller, BARE, **definition, **images), {}, Settled(), {}, 1000.0).summaries[MESH].plaintext
    pairs = [(p.caller_kind, p.caller, p.node, p.port, list(p.instances)) for p in said]
    assert (any(p.app_mesh_tls for p in said), pairs) == expected


def test_the_clusters_of_a_client_without_a_proxy_lead_back_to_nodes_whatever_they_are_called() -> None:
    for node in ('a"b', "a%b", "a/b", "a\\b"):
        called = names.backend(node, 80, 'x"y')
        assert names.of_plaintext(names.plaintext(names.quoted(called))) == called
    assert names.of_plaintext(names.mtls("node/a/80")) is None
