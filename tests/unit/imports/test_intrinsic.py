"""CloudFormation's functions, each in a hostname: what they make, and what is said where they cannot."""

import pytest

from isthmus.errors import Invalid
from isthmus.imports.inputs import Given
from tests.unit.imports import templates as t

GIVEN = Given(
    {"Secret": "told", "Certificate": "arn:cert", "Certificate.Name": "named"},
    {"far-export": "far.local"},
    region="eu-west-1",
    account="111122223333",
    stack_name="stack",
)
ARN = "arn:aws:appmesh:eu-west-1:111122223333:mesh/shop"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("plain.local", "plain.local"),
        ("!Ref Environment", "dev"),
        ("{Ref: Environment}", "dev"),
        ("!Ref Port", "8080"),
        ("!Ref Secret", "told"),
        ("!Ref Certificate", "arn:cert"),
        ("!GetAtt Certificate.Name", "named"),
        ("!GetAtt Registry.Name", "front"),
        ("{'Fn::GetAtt': [Mesh, MeshName]}", "shop"),
        ("!GetAtt Mesh.Arn", ARN),
        ("!Ref Mesh", ARN),
        ("!GetAtt Node.Arn", f"{ARN}/virtualNode/front"),
        ("!GetAtt Node.VirtualNodeName", "front"),
        ("!GetAtt Node.MeshOwner", "111122223333"),
        ("!Sub '${Environment}.${Registry.Name}.${!Literal}.${AWS::StackName}'", "dev.front.${Literal}.stack"),
        ("!Sub ['${a}.${Environment}', {a: !Ref Port}]", "8080.dev"),
        ("!Sub '${AWS::Region}.${AWS::Partition}.${AWS::URLSuffix}'", "eu-west-1.aws.amazonaws.com"),
        ("!Join [., [front, !Ref Environment, local]]", "front.dev.local"),
        ("!Join ['-', !Ref Zones]", "a-b"),
        ("!Select [1, !Split [., front.shop.local]]", "shop"),
        ("!Select ['0', !Ref Zones]", "a"),
        ("!FindInMap [Hosts, !Ref Environment, suffix]", "dev.local"),
        ("!FindInMap [Hosts, none, suffix, {DefaultValue: other}]", "other"),
        ("!If [IsProd, a, !If [Both, b, c]]", "b"),
        ("!If [Either, a, c]", "c"),
        ("!ImportValue far-export", "far.local"),
        ("!ImportValue {'Fn::Sub': '${AWS::StackName}-near'}", "8080"),
    ],
)
def test_a_function_and_what_it_makes(written: str, expected: str) -> None:
    outputs = "Outputs: {Near: {Value: !Ref Port, Export: {Name: !Sub '${AWS::StackName}-near'}}}"
    assert t.hostname(t.read(t.node(written, rest=outputs), given=GIVEN)) == expected


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("!Ref Needed", "--parameter Needed=VALUE"),
        ("!Ref Secret", "--parameter Secret=VALUE"),
        ("!Ref Certificate", "--parameter Certificate=VALUE"),
        ("!Ref Nowhere", "there is no parameter or resource Nowhere"),
        ("!GetAtt Certificate.Arn", "--parameter Certificate.Arn=VALUE"),
        ("!GetAtt Nowhere.Arn", "not in the template"),
        ("!GetAtt Node.Uid", "--parameter Node.Uid=VALUE"),
        ("!GetAtt Node", "Fn::GetAtt needs a list of 2"),
        ("!ImportValue none", "--import none=VALUE"),
        ("!FindInMap [Hosts, none, suffix]", "there is no Hosts/none/suffix"),
        ("!Select [5, !Ref Zones]", "there is no item 5 in 2"),
        ("!Select [0, text]", "Fn::Select needs a list"),
        ("!Join [., [[a]]]", "is no text"),
        ("!Split ['', a]", "needs a delimiter"),
        ("!If [Nowhere, a, b]", "there is no condition Nowhere"),
        ("!If [Circle, a, b]", "refers to itself"),
        ("!If [{'Fn::Contains': []}, a, b]", "is no condition"),
        ("!Base64 x", "Fn::Base64 is not worked out here"),
        ("!Ref AWS::StackId", "known to CloudFormation alone"),
        ("'{{resolve:ssm:/path}}'", "resolved by CloudFormation alone"),
        ("!Sub 'a.{{resolve:ssm:/${Environment}}}'", "resolved by CloudFormation alone"),
    ],
)
def test_what_cannot_be_worked_out_says_what_to_pass(written: str, advice: str) -> None:
    with pytest.raises(Invalid) as refused:
        t.read(t.node(written))
    (violation,) = refused.value.violations
    place = "0.yaml: VirtualNode Node /Properties/Spec/ServiceDiscovery/DNS/Hostname"
    assert (violation.pointer, violation.code) == (place, "unresolved")
    assert advice in violation.detail


def test_everything_that_cannot_be_worked_out_is_told_at_once_also_inside_a_branch() -> None:
    extra = """
      Tags: !If [IsDev, [{Key: a, Value: !Ref Needed}, {Key: b, Value: !Ref Secret}], !Ref Nowhere]
"""
    with pytest.raises(Invalid) as refused:
        t.read(t.node("!Ref Needed", rest=extra), t.node("!Ref Secret"))
    assert [violation.pointer.partition(" /")[2] for violation in refused.value.violations] == [
        "Properties/Spec/ServiceDiscovery/DNS/Hostname",
        "Properties/Tags/0/Value",
        "Properties/Tags/1/Value",
        "Properties/Spec/ServiceDiscovery/DNS/Hostname",
    ]


def test_no_value_leaves_the_member_out() -> None:
    tags = "      Tags: [!If [IsProd, {Key: a, Value: b}, !Ref AWS::NoValue], {Key: c, Value: !Ref Port}]\n"
    (definition,) = t.read(t.node("x", rest=tags)).definitions
    (document,) = definition.documents.values()
    assert document.tags == {"c": "8080"}
