"""templates: CloudFormation templates of a shop; a test says only what it is about."""

from typing import Any

from isthmus.imports.cloudformation import read_templates
from isthmus.imports.definitions import Imported
from isthmus.imports.inputs import Given

Json = Any
HEAD = """
AWSTemplateFormatVersion: 2010-09-09
Parameters:
  Environment: {Type: String, Default: dev}
  Port: {Type: Number, Default: 8080}
  Zones: {Type: CommaDelimitedList, Default: "a, b"}
  Secret: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /path}
  Needed: {Type: String}
Mappings:
  Hosts: {dev: {suffix: dev.local}, prod: {suffix: prod.local}}
Conditions:
  IsProd: !Equals [!Ref Environment, prod]
  IsDev: !Not [!Condition IsProd]
  Either: !Or [!Condition IsProd, !Equals [a, b]]
  Both: !And [!Condition IsDev, Condition: IsDev]
  Circle: !Not [!Condition Circle]
Resources:
  Mesh: {Type: AWS::AppMesh::Mesh, Properties: {MeshName: shop}}
  Registry: {Type: AWS::ServiceDiscovery::Service, Properties: {Name: front}}
  Certificate: {Type: AWS::CertificateManager::Certificate}
"""


def node(hostname: str, *, rest: str = "") -> str:
    """A template in which a virtual node's hostname is written so."""
    return f"""{HEAD}
  Node:
    Type: AWS::AppMesh::VirtualNode
    Properties:
      MeshName: !GetAtt Mesh.MeshName
      VirtualNodeName: front
      Spec:
        Listeners: [{{PortMapping: {{Port: 8080, Protocol: http}}}}]
        ServiceDiscovery: {{DNS: {{Hostname: {hostname}}}}}
{rest}"""


def read(*templates: str, given: Given | None = None) -> Imported:
    """What templates in files of their own say."""
    return read_templates([(f"{i}.yaml", template) for i, template in enumerate(templates)], given)


def hostname(imported: Imported) -> str:
    """What became of the virtual node's hostname."""
    (definition,) = imported.definitions
    specs = [d.spec.json_object() for k, d in definition.documents.items() if k.kind == "VirtualNode"]
    return str(specs[0]["serviceDiscovery"]["dns"]["hostname"])
