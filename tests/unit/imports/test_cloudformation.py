"""Templates: every kind, App Mesh's odd spellings, several stacks, JSON, and what is left out."""

import json

import pytest

from isthmus.errors import Invalid
from isthmus.imports.inputs import Given
from isthmus.model.document import Key
from tests.unit.imports import templates as t

TRUST = "{ACM: {CertificateAuthorityArns: [arn:ca]}}"
EVERY_KIND = f"""{t.HEAD}
  Front:
    Type: AWS::AppMesh::VirtualNode
    Properties:
      MeshName: !GetAtt Mesh.MeshName
      MeshOwner: !Ref AWS::AccountId
      VirtualNodeName: front
      Tags: [{{Key: since, Value: 2020-01-02}}, {{Key: port, Value: 1}}]
      Spec:
        Listeners:
        - PortMapping: {{Port: !Ref Port, Protocol: http2}}
        Logging: {{AccessLog: {{File: {{Path: /dev/stdout, Format: {{Json: [{{Key: k, Value: v}}]}}}}}}}}
        ServiceDiscovery: {{AWSCloudMap: {{NamespaceName: shop.local, ServiceName: !GetAtt Registry.Name,
                           Attributes: [{{Key: colour, Value: red}}], IpPreference: IPv4_ONLY}}}}
        BackendDefaults: {{ClientPolicy: {{TLS: {{Enforce: "true", Ports: ["443"], Validation: {{Trust: {TRUST}}}}}}}}}
        Backends: [{{VirtualService: {{VirtualServiceName: !GetAtt Service.VirtualServiceName}}}}]
  Router:
    Type: AWS::AppMesh::VirtualRouter
    Properties: {{MeshName: shop, VirtualRouterName: cart,
                 Spec: {{Listeners: [{{PortMapping: {{Port: 8080, Protocol: http2}}}}]}}}}
  Route:
    Type: AWS::AppMesh::Route
    Properties:
      MeshName: shop
      RouteName: first
      VirtualRouterName: !GetAtt Router.VirtualRouterName
      Spec:
        Priority: 3
        Http2Route:
          Match: {{Prefix: /, Headers: [{{Name: x, Match: {{Range: {{Start: 1, End: 2}}}}}}]}}
          Action: {{WeightedTargets: [{{VirtualNode: !GetAtt Front.VirtualNodeName, Weight: "1"}}]}}
          RetryPolicy: {{MaxRetries: 1, PerRetryTimeout: {{Unit: ms, Value: 5}}, TcpRetryEvents: [connection-error]}}
  Service:
    Type: AWS::AppMesh::VirtualService
    Properties: {{MeshName: shop, VirtualServiceName: cart.local,
                 Spec: {{Provider: {{VirtualRouter: {{VirtualRouterName: !GetAtt Route.VirtualRouterName}}}}}}}}
  Gateway:
    Type: AWS::AppMesh::VirtualGateway
    Properties:
      MeshName: shop
      Spec:
        Listeners:
        - PortMapping: {{Port: 8088, Protocol: http}}
          TLS:
            Mode: STRICT
            Certificate: {{SDS: {{SecretName: s}}}}
            Validation: {{Trust: {{SDS: {{SecretName: t}}}}}}
  GatewayRoute:
    Type: AWS::AppMesh::GatewayRoute
    Properties:
      MeshName: shop
      GatewayRouteName: all
      VirtualGatewayName: !GetAtt Gateway.VirtualGatewayName
      Spec:
        HttpRoute:
          Match: {{Prefix: /, Hostname: {{Exact: shop.example}}}}
          Action:
            Target: {{VirtualService: {{VirtualServiceName: !GetAtt Service.VirtualServiceName}}}}
            Rewrite: {{Prefix: {{DefaultPrefix: DISABLED}}}}
"""


def test_every_kind_in_app_meshs_spelling() -> None:
    made = t.read(EVERY_KIND)
    (shop,) = made.definitions
    said = {key: document.spec.json_object() for key, document in shop.documents.items()}
    assert list(said) == [
        Key("VirtualNode", "front"),
        Key("VirtualRouter", "cart"),
        Key("Route", "first", "cart"),
        Key("VirtualService", "cart.local"),
        Key("VirtualGateway", "Gateway"),
        Key("GatewayRoute", "all", "Gateway"),
    ]
    assert said[Key("VirtualNode", "front")] == {
        "listeners": [{"portMapping": {"port": 8080, "protocol": "http2"}}],
        "logging": {"accessLog": {"file": {"path": "/dev/stdout", "format": {"json": [{"key": "k", "value": "v"}]}}}},
        "serviceDiscovery": {
            "awsCloudMap": {
                "namespaceName": "shop.local",
                "serviceName": "front",
                "attributes": [{"key": "colour", "value": "red"}],
                "ipPreference": "IPv4_ONLY",
            }
        },
        "backendDefaults": {
            "clientPolicy": {
                "tls": {
                    "enforce": True,
                    "ports": [443],
                    "validation": {"trust": {"acm": {"certificateAuthorityArns": ["arn:ca"]}}},
                }
            }
        },
        "backends": [{"virtualService": {"virtualServiceName": "cart.local"}}],
    }
    assert shop.documents[Key("VirtualNode", "front")].tags == {"since": "2020-01-02", "port": "1"}
    assert said[Key("VirtualGateway", "Gateway")]["listeners"][0]["tls"] == {
        "mode": "STRICT",
        "certificate": {"sds": {"secretName": "s"}},
        "validation": {"trust": {"sds": {"secretName": "t"}}},
    }
    assert said[Key("Route", "first", "cart")]["http2Route"]["action"]["weightedTargets"][0]["weight"] == 1
    assert made.notes.left_out == {("MeshOwner", "the mesh will be your account's own"): 1}
    assert made.notes.skipped == {
        "AWS::ServiceDiscovery::Service": 1, "AWS::CertificateManager::Certificate": 1,
    }  # fmt: skip
    assert "Gateway has no VirtualGatewayName" in " ".join(made.notes.remarks)


def test_json_is_read_like_yaml() -> None:
    resources = {"Mesh": {"Type": "AWS::AppMesh::Mesh", "Properties": {"MeshName": {"Fn::Join": ["-", ["a", "b"]]}}}}
    (definition,) = t.read(json.dumps({"Resources": resources})).definitions
    assert definition.name == "a-b"


def test_stacks_import_from_one_another_and_share_a_mesh() -> None:
    network = f"""{t.HEAD}
Outputs: {{MeshName: {{Value: !GetAtt Mesh.MeshName, Export: {{Name: "shop:MeshName"}}}}}}
"""
    service = """
Resources:
  Node:
    Type: AWS::AppMesh::VirtualNode
    Properties: {MeshName: !ImportValue 'shop:MeshName', VirtualNodeName: cart, Spec: {}}
"""
    (definition,) = t.read(service, network).definitions
    assert (definition.name, list(definition.documents)) == ("shop", [Key("VirtualNode", "cart")])


def test_placeholders_are_told_where_they_are_used() -> None:
    made = t.read(t.node("!Sub '${AWS::AccountId}.${AWS::Region}.${AWS::StackName}'"))
    assert t.hostname(made) == "123456789012.us-east-1.0"
    assert [remark.rpartition("; ")[2].split()[0] for remark in made.notes.remarks] == [
        "--account", "--region", "--stack-name",
    ]  # fmt: skip


def test_a_resource_whose_condition_is_false_is_left_out_and_told() -> None:
    rest = "  Other: {Type: AWS::AppMesh::VirtualService, Condition: IsProd, Properties: {MeshName: !Ref Needed}}"
    made = t.read(t.node("x", rest=rest))
    assert [len(d.documents) for d in made.definitions] == [1]
    assert "VirtualService Other is left out, because its condition is false" in " ".join(made.notes.remarks)


def test_what_is_no_template_is_skipped() -> None:
    made = t.read(t.node("x"), "a: 1", "{}", "- 1", "a: {{ helm }}")
    assert made.notes.skipped["a file that is no CloudFormation template"] == 4


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (EVERY_KIND.replace("Backends:", "BackEnd:"), "0.yaml: VirtualNode Front /spec/backEnd"),
        (t.node("x", rest="      Mode: 1"), "0.yaml: VirtualNode Node /Properties/Mode"),
        (t.node("x", rest="      Tags: [1]"), "0.yaml: VirtualNode Node /Properties/Tags/0"),
        (t.node("x", rest="  Odd: {Type: AWS::AppMesh::Teapot}"), "0.yaml: Teapot Odd"),
        (t.node("x", rest="  Fn::ForEach::Nodes: [a, [b], {}]"), "0.yaml: None Fn::ForEach::Nodes"),
        (t.node("x", rest="  R: {Type: AWS::AppMesh::Route, Properties: {MeshName: shop}}"), "0.yaml: Route R /Prop"),
        (t.node("x").replace("!GetAtt Mesh.MeshName", "!GetAtt Node.MeshName"), "0.yaml: VirtualNode Node /Properties"),
        (t.node("x").replace("!GetAtt Mesh.MeshName", "null"), "0.yaml: VirtualNode Node /Properties"),
        (t.node("x").replace("!GetAtt Mesh.MeshName", "[a]"), "0.yaml: VirtualNode Node /Properties"),
        (t.node("x").replace("Protocol: http", "Protocol: x"), "0.yaml: VirtualNode Node /spec/listeners/0"),
        ("Resources: {A: {Type: AWS::AppMesh::Mesh", "0.yaml: "),
        ("a: 1\na: AWS::AppMesh::Mesh", "0.yaml: "),
    ],
    ids=[
        "unknown in a spec", "unknown beside a spec", "tags", "no such kind", "a macro", "no parent", "a circle",
        "null for a name", "a list for a name", "the model's", "no YAML", "a key twice",
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_where_it_was_written(template: str, expected: str) -> None:
    with pytest.raises(Invalid) as refused:
        t.read(template)
    assert refused.value.violations[0].pointer.startswith(expected), refused.value


def test_two_stacks_may_not_disagree_on_a_mesh() -> None:
    other = (
        "Resources: {Mesh: {Type: AWS::AppMesh::Mesh, Properties: {MeshName: shop, Spec: {EgressFilter: {Type: %s}}}}}"
    )
    assert len(t.read(other % "DROP_ALL", other % "DROP_ALL").definitions) == 1
    with pytest.raises(Invalid) as refused:
        t.read(other % "DROP_ALL", other % "ALLOW_ALL")
    assert [violation.code for violation in refused.value.violations] == ["duplicate"]


def test_a_parameter_that_no_template_has_is_a_typing_error() -> None:
    with pytest.raises(Invalid) as refused:
        t.read(t.node("x"), given=Given({"Typo": "1", "Typo.Arn": "2"}))
    assert [violation.code for violation in refused.value.violations] == ["unknown_parameter"] * 2
