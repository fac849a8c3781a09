"""Which mesh a resource belongs to, which gateway a gateway route does, and which pods a node is."""

import pytest

from isthmus.errors import Invalid
from isthmus.imports.labels import selects
from isthmus.model.document import Key
from tests.unit.imports import manifests as m


def selected(**labels: str) -> m.Json:
    """A selector of exactly these labels."""
    return {"matchLabels": labels}


def namespace(name: str, **labels: str) -> m.Json:
    """A namespace with labels."""
    return m.resource("Namespace", name, {}, namespace=None, api="v1", labels=labels)


def home(*resources: m.Json, mesh: str | None = None) -> str:
    """The mesh that the node went to."""
    return next(d.name for d in m.read(m.node(), *resources, mesh=mesh).definitions if d.documents)


RED, BLUE = (
    m.mesh("red", namespaceSelector=selected(mesh="red")),
    m.mesh("blue", namespaceSelector=selected(mesh="blue")),
)


@pytest.mark.parametrize(
    ("resources", "mesh", "expected"),
    [
        ([RED], None, "red"),
        ([RED, namespace("shop", mesh="none")], None, "red"),
        ([RED, BLUE, namespace("shop", mesh="blue")], None, "blue"),
        ([RED, BLUE], "blue", "blue"),
        ([RED], "elsewhere", "elsewhere"),
        ([], "elsewhere", "elsewhere"),
        ([m.mesh("red", awsName="crimson"), BLUE], "red", "crimson"),
        ([RED, m.mesh("own", namespaceSelector=selected(**{"kubernetes.io/metadata.name": "shop"})), namespace("shop")],
         None, "own"),
    ],
    ids=["the only one", "the only one, whatever it selects", "by labels", "told", "told, against the only one",
         "told, of none", "told by its Kubernetes name", "by the label that Kubernetes gives"],
)  # fmt: skip
def test_the_mesh_of_a_resource(resources: list[m.Json], mesh: str | None, expected: str) -> None:
    assert home(*resources, mesh=mesh) == expected


def test_mesh_ref_comes_first() -> None:
    made = m.read(RED, BLUE, m.node(meshRef={"name": "blue", "uid": "1"}), mesh="red")
    assert {d.name: len(d.documents) for d in made.definitions} == {"red": 0, "blue": 1}


@pytest.mark.parametrize(
    "resources", [[], [RED, BLUE], [RED, BLUE, namespace("shop")]], ids=["none", "two", "two that select others"]
)
def test_a_mesh_that_cannot_be_told_is_asked_for(resources: list[m.Json]) -> None:
    with pytest.raises(Invalid) as refused:
        home(*resources)
    assert "--mesh NAME" in str(refused.value)


def test_a_mesh_that_is_said_nowhere_is_noted() -> None:
    made = m.read(m.node(), mesh="shop")
    assert m.only(made).spec.json_object() == {}
    assert "mesh shop is said nowhere" in " ".join(made.notes.remarks)


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ({"labels": {"to": "inner"}}, "inner_shop"),
        ({"labels": {"to": "outer"}}, "outer_shop"),
        ({"virtualGatewayRef": {"name": "outer", "uid": "1"}}, "outer_shop"),
        ({"virtualGatewayRef": {"name": "outer", "namespace": "shop"}}, "outer_shop"),
    ],
    ids=["by its labels", "by others", "as the cluster says", "with its namespace"],
)
def test_the_gateway_of_a_gateway_route(route: m.Json, expected: str) -> None:
    gateways = [m.gateway(name, gatewayRouteSelector=selected(to=name)) for name in ("inner", "outer")]
    made = m.read(m.mesh(), *gateways, m.service(), m.gateway_route(**route))
    assert Key("GatewayRoute", "all_shop", expected) in m.only(made).documents


def test_the_gateway_by_the_namespaces_labels() -> None:
    gateways = [m.gateway(name, namespaceSelector=selected(gateway=name)) for name in ("inner", "outer")]
    made = m.read(m.mesh(), *gateways, m.service(), m.gateway_route(), namespace("shop", gateway="inner"))
    assert Key("GatewayRoute", "all_shop", "inner_shop") in m.only(made).documents


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (None, False),
        ({}, True),
        (selected(a="1"), True),
        (selected(a="2"), False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Likes"}]}, False),
    ],
    ids=["absent", "empty", "equal", "unequal", "in", "not in", "exists", "does not exist", "no such operator"],
)
def test_selectors(selector: m.Json, expected: bool) -> None:  # noqa: FBT001 - a column
    assert selects(selector, {"a": "1"}) is expected


def workload(kind: str, account: str | None, **labels: str) -> m.Json:
    """A workload whose pods have these labels."""
    pod = {"metadata": {"labels": labels}, "spec": {"serviceAccountName": account} if account else {}}
    spec = {"jobTemplate": {"spec": {"template": pod}}} if kind == "CronJob" else {"template": pod}
    return m.resource(kind, f"{account}-{kind.lower()}", spec, api="apps/v1")


def test_bindings_take_the_service_accounts_of_the_workloads() -> None:
    made = m.read(
        m.mesh(),
        m.node(podSelector=selected(app="front")),
        m.node("cart", podSelector=selected(app="cart")),
        m.gateway(podSelector=selected(app="gateway")),
        m.node("alone", podSelector=selected(app="alone")),
        workload("Deployment", "front-sa", app="front", version="1"),
        workload("StatefulSet", "one", app="cart"),
        workload("CronJob", "two", app="cart"),
        workload("Deployment", None, app="gateway"),
        with_bindings=True,
    )
    bindings = {k.name: d.spec.json_object() for k, d in m.only(made).documents.items() if k.kind == "Binding"}
    assert {name: (b.get("node"), b["match"]["k8s"]["service_account"]) for name, b in bindings.items()} == {
        "front_shop": ("front_shop", "front-sa"),
        "cart_shop-one": ("cart_shop", "one"),
        "cart_shop-two": ("cart_shop", "two"),
        "ingress_shop": (None, "default"),
    }
    assert bindings["front_shop"] == {
        "node": "front_shop",
        "match": {"k8s": {"namespace": "shop", "service_account": "front-sa", "labels": {"app": "front"}}},
    }
    assert (bindings["ingress_shop"]["gateway"], m.fields(made)["podSelector"]) == ("ingress_shop", 1)


def test_without_bindings_the_selectors_are_counted() -> None:
    made = m.read(m.mesh(), m.node(podSelector=selected(app="front")), workload("Deployment", "front-sa", app="front"))
    assert [key.kind for key in m.only(made).documents] == ["VirtualNode"]
    assert m.fields(made)["podSelector"] == 1
