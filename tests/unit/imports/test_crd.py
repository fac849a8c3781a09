"""Every kind of the Kubernetes controller's resources, with its names, references and spelling."""

import pytest

from isthmus.errors import Invalid
from isthmus.model.document import Key
from tests.unit.imports import manifests as m

ARN = "arn:aws:appmesh:us-east-1:111122223333:mesh/shop"
TARGET = {"virtualNodeRef": {"name": "front"}, "weight": 1}


def refused(*resources: m.Json, mesh: str | None = None) -> list[tuple[str, str]]:
    """(place, code) of what is wrong."""
    with pytest.raises(Invalid) as invalid:
        m.read(*resources, mesh=mesh)
    return [(violation.pointer, violation.code) for violation in invalid.value.violations]


def test_each_kind_once_with_the_controllers_names() -> None:
    made = m.read(
        m.mesh(egressFilter={"type": "ALLOW_ALL"}, meshServiceDiscovery={"ipPreference": "IPv4_ONLY"}),
        m.gateway_route(),
        m.gateway(),
        m.service(provider={"virtualRouter": {"virtualRouterRef": {"name": "cart"}}}),
        m.router(m.route("first", TARGET)),
        m.node(backends=[m.backend("cart")]),
    )
    shop = m.only(made)
    assert shop.name == "shop"
    assert shop.spec.json_object() == {
        "egressFilter": {"type": "ALLOW_ALL"},
        "serviceDiscovery": {"ipPreference": "IPv4_ONLY"},
    }
    assert list(shop.documents) == [
        Key("VirtualNode", "front_shop"),
        Key("VirtualRouter", "cart_shop"),
        Key("Route", "first", "cart_shop"),
        Key("VirtualService", "cart.shop"),
        Key("VirtualGateway", "ingress_shop"),
        Key("GatewayRoute", "all_shop", "ingress_shop"),
    ]
    assert m.spec(made, "VirtualService", "cart.shop") == {
        "provider": {"virtualRouter": {"virtualRouterName": "cart_shop"}}
    }
    assert m.spec(made, "Route", "first", "cart_shop")["httpRoute"]["action"] == {
        "weightedTargets": [{"virtualNode": "front_shop", "weight": 1}]
    }
    assert m.spec(made, "GatewayRoute", "all_shop", "ingress_shop")["httpRoute"]["action"] == {
        "target": {"virtualService": {"virtualServiceName": "cart.shop"}}
    }
    assert m.spec(made, "VirtualNode", "front_shop")["backends"] == [
        {"virtualService": {"virtualServiceName": "cart.shop"}}
    ]


def test_aws_names_are_what_references_mean() -> None:
    made = m.read(
        m.mesh("k8s-name", awsName="aws-name"),
        m.node(awsName="front-node"),
        m.service(awsName="cart.local", provider={"virtualNode": {"virtualNodeRef": {"name": "front"}}}),
    )
    assert m.only(made).name == "aws-name"
    assert m.spec(made, "VirtualService", "cart.local") == {
        "provider": {"virtualNode": {"virtualNodeName": "front-node"}}
    }
    assert m.fields(made) == {"awsName": 3, "namespaceSelector": 1}


def test_references_reach_other_namespaces_and_arns_give_names() -> None:
    by_arn = {"virtualService": {"virtualServiceARN": f"{ARN}/virtualService/far.local"}}
    made = m.read(
        m.mesh(),
        m.node(backends=[m.backend("cart", "other"), by_arn]),
        m.service(namespace="other", provider={"virtualNode": {"virtualNodeARN": f"{ARN}/virtualNode/front_shop"}}),
    )
    names = [b["virtualService"]["virtualServiceName"] for b in m.spec(made, "VirtualNode", "front_shop")["backends"]]
    assert names == ["cart.other", "far.local"]
    assert m.spec(made, "VirtualService", "cart.other")["provider"] == {
        "virtualNode": {"virtualNodeName": "front_shop"}
    }


def test_what_is_no_arn_is_taken_for_a_name_and_told() -> None:
    made = m.read(m.mesh(), m.node(backends=[{"virtualService": {"virtualServiceARN": "far.local"}}]))
    assert m.spec(made, "VirtualNode", "front_shop")["backends"] == [
        {"virtualService": {"virtualServiceName": "far.local"}}
    ]
    assert "'far.local' is no ARN" in " ".join(made.notes.remarks)


def test_spelling_and_pruning_at_every_depth() -> None:
    trust = {"acm": {"certificateAuthorityARNs": ["arn:ca"]}}
    tls = {"mode": "STRICT", "ports": [], "validation": {"trust": trust}}
    certificate = {"acm": {"certificateARN": "arn:cert"}}
    listener = {
        "portMapping": {"port": 8080, "protocol": "http"},
        "tls": {"mode": "STRICT", "certificate": certificate},
        "timeout": {"http": {"perRequest": {"unit": "s", "value": 60}}},
    }
    made = m.read(m.mesh(), m.node(listeners=[listener], backendDefaults={"clientPolicy": {"tls": tls}}, logging=None))
    assert m.spec(made, "VirtualNode", "front_shop") == {
        "listeners": [
            {
                "portMapping": {"port": 8080, "protocol": "http"},
                "tls": {"mode": "STRICT", "certificate": {"acm": {"certificateArn": "arn:cert"}}},
                "timeout": {"http": {"perRequest": {"unit": "s", "value": 60}}},
            }
        ],
        "backendDefaults": {
            "clientPolicy": {"tls": {"validation": {"trust": {"acm": {"certificateAuthorityArns": ["arn:ca"]}}}}}
        },
    }
    assert m.fields(made) == {"backendDefaults.clientPolicy.tls.mode": 1, "namespaceSelector": 1}


@pytest.mark.parametrize("protocol", ["httpRoute", "http2Route", "grpcRoute", "tcpRoute"])
def test_each_type_of_route(protocol: str) -> None:
    match = {"tcpRoute": {"port": 8080}, "grpcRoute": {"serviceName": "a.B"}}.get(protocol, {"prefix": "/"})
    route = {"name": "r", "priority": 3, protocol: {"match": match, "action": {"weightedTargets": [TARGET]}}}
    port = {"port": 8080, "protocol": protocol.removesuffix("Route")}
    router = m.resource("VirtualRouter", "cart", {"listeners": [{"portMapping": port}], "routes": [route]})
    made = m.read(m.mesh(), m.node(listeners=[{"portMapping": port}]), router)
    assert m.spec(made, "Route", "r", "cart_shop") == {
        "priority": 3,
        protocol: {"match": match, "action": {"weightedTargets": [{"virtualNode": "front_shop", "weight": 1}]}},
    }


def test_retries_headers_and_queries_keep_their_shape() -> None:
    retries = {"maxRetries": 2, "perRetryTimeout": {"unit": "ms", "value": 200}, "httpRetryEvents": ["server-error"]}
    match = {
        "prefix": "/",
        "headers": [{"name": "x", "invert": True, "match": {"range": {"start": 1, "end": 9}}}],
        "queryParameters": [{"name": "q", "match": {"exact": "1"}}],
    }
    route = m.route("r", TARGET, **match)
    route["httpRoute"]["retryPolicy"] = retries
    said = m.spec(m.read(m.mesh(), m.node(), m.router(route)), "Route", "r", "cart_shop")["httpRoute"]
    assert (said["match"], said["retryPolicy"]) == (match, retries)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([{"name": "all"}], ["own.shop", "cart.shop", "paid.other"]),
        ([{"name": "*"}], ["own.shop", "cart.shop"]),
        ([{"name": "*", "namespace": "other"}], ["own.shop", "paid.other"]),
    ],
    ids=["a group, once each", "all of the namespace", "all of another namespace"],
)
def test_backend_groups_become_backends(groups: m.Json, expected: list[str]) -> None:
    members = [{"name": "own"}, {"name": "cart"}, {"name": "paid", "namespace": "other"}]
    made = m.read(
        m.mesh(),
        m.service("own"),
        m.service("cart"),
        m.service("paid", namespace="other"),
        m.resource("BackendGroup", "all", {"virtualservices": members}),
        m.node(backends=[m.backend("own")], backendGroups=groups),
    )
    backends = m.spec(made, "VirtualNode", "front_shop")["backends"]
    assert [backend["virtualService"]["virtualServiceName"] for backend in backends] == expected
    assert (m.fields(made)["backendGroups"], m.fields(made)["kind BackendGroup"]) == (1, 1)


def test_lists_are_opened_and_what_is_not_app_meshs_is_counted() -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [m.mesh(), m.node()]}
    deployment = m.resource("Deployment", "front", {}, api="apps/v1")
    made = m.read(listed, deployment, deployment | {"metadata": {"name": "cart"}}, {"note": "nothing"})
    assert len(m.only(made).documents) == 1
    assert made.notes.skipped == {"apps/v1 Deployment": 2, "a document that is no Kubernetes resource": 1}


def test_what_is_said_twice_is_what_was_said_last() -> None:
    made = m.read(m.mesh(), m.node(), m.node(awsName="late"))
    assert list(m.only(made).documents) == [Key("VirtualNode", "late")]
    assert "is replaced by what shop.yaml says later" in " ".join(made.notes.remarks)
    assert not m.read(m.mesh(), m.node(), m.node()).notes.remarks


def test_what_kubernetes_keeps_is_counted() -> None:
    kept = m.node() | {"status": {"virtualNodeARN": "arn"}}
    kept["metadata"] |= {"labels": {"a": "b"}, "annotations": {"c": "d"}}
    kept["spec"] |= {"meshRef": {"name": "shop", "uid": "1"}}
    made = m.read(m.mesh(meshOwner="111122223333"), kept)
    expected = ("metadata.labels", "metadata.annotations", "status", "meshRef", "meshOwner", "namespaceSelector")
    assert m.fields(made) == dict.fromkeys(expected, 1)
    assert "  meshOwner" in "\n".join(made.notes.lines())


WRONG_PORT = {"portMapping": {"port": 0, "protocol": "http"}}
WRONG: dict[str, tuple[list[m.Json], str]] = {
    "no such service": (
        [m.node(backends=[m.backend("gone")])],
        "VirtualNode shop/front /spec/backends/0/virtualService",
    ),
    "no reference": (
        [m.node(backends=[{"virtualService": {"virtualServiceRef": "x"}}, m.backend("y")])],
        "VirtualNode shop/front /spec/backends/1",
    ),
    "no such group": ([m.node(backendGroups=[{"name": "gone"}])], "VirtualNode shop/front /spec/backendGroups/0"),
    "another kind's ARN": (
        [m.router(m.route("r", {"virtualNodeARN": f"{ARN}/virtualRouter/x", "weight": 1}))],
        "VirtualRouter shop/cart /spec/routes/0/httpRoute/action/weightedTargets/0/virtualNodeARN",
    ),
    "a route without a name": ([m.router({"httpRoute": {}})], "VirtualRouter shop/cart /spec/routes/0 /name"),
    "no list": ([m.router() | {"spec": {"routes": {"a": "b"}}}], "VirtualRouter shop/cart /spec/routes"),
    "no object": ([m.node() | {"spec": 1}], "VirtualNode shop/front /spec"),
    "no name": ([m.node() | {"metadata": {}}], "VirtualNode /metadata/name"),
    "an old version": ([m.node() | {"apiVersion": "appmesh.k8s.aws/v1beta1"}], "VirtualNode shop/front /apiVersion"),
    "two gateways": ([m.gateway(), m.gateway("b"), m.service(), m.gateway_route()], "GatewayRoute shop/all"),
    "no such gateway": (
        [m.service(), m.gateway_route(virtualGatewayRef={"name": "gone"})],
        "GatewayRoute shop/all /spec/virtualGatewayRef",
    ),
    "out of range": ([m.node(listeners=[WRONG_PORT])], "VirtualNode shop/front /spec/listeners/0/portMapping/port"),
    "dangling": (
        [m.service(provider={"virtualNode": {"virtualNodeARN": "far"}})],
        "VirtualService shop/cart /spec/provider/virtualNode/virtualNodeName",
    ),
}


@pytest.mark.parametrize(("resources", "expected"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_told_where_it_was_written(resources: list[m.Json], expected: str) -> None:
    places = refused(m.mesh(), *resources)
    assert all(place.startswith("shop.yaml: ") for place, _ in places)
    assert places[0][0].startswith(f"shop.yaml: {expected}"), places


def test_all_that_is_wrong_is_told_at_once() -> None:
    wrong = [m.node(backends=[m.backend("a"), m.backend("b")]), m.node("back", backendGroups=[{"name": "c"}])]
    assert [code for _, code in refused(m.mesh(), *wrong)] == ["unresolved"] * 3


def test_placeholders_of_a_shell_are_told() -> None:
    made = m.read(m.mesh(), m.node(serviceDiscovery={"dns": {"hostname": "front.${NAMESPACE}.local"}}))
    assert "shop.yaml has ${…} in it" in " ".join(made.notes.remarks)


def test_nothing_of_app_mesh_is_refused() -> None:
    assert refused(m.resource("Deployment", "front", {}, api="apps/v1")) == [("", "nothing_found")]
