"""Specs drawn from AWS's model: the valid are accepted and come back as sent, the broken are refused by their place."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from pydantic import Field
from pydantic.fields import FieldInfo

from isthmus.model import listening, logging, structure, tls
from isthmus.model.kinds import route, virtual_node
from isthmus.model.operations.inputs import MAYBE
from isthmus.model.operations.table import OPERATIONS
from isthmus.model.operations.words import APP_MESH_KINDS, Word
from isthmus.model.structure import Many, Structure
from isthmus.store.access_keys import Made
from tests.attack.signing import Line, Request, signed_anew
from tests.contract.appmesh.breaking import BREAKINGS, Broken
from tests.contract.appmesh.conftest import Installation
from tests.contract.appmesh.judging import document, named, refusals
from tests.contract.appmesh.specs import CASES, Case
from tests.contract.appmesh.strict import findings
from tests.contract.aws_model import SHAPES

Json = Any
T = TypeVar("T")
MANY: Any = Many
SEED = 20190125
VALID, BROKEN, ON_THE_WIRE, BROKEN_ON_THE_WIRE = 3000, 6000, 150, 60
LEAST = 0.02
"""The share of cases in which each member and each rule must occur (testing.md)."""
AS_STRICT_SAYS = {"null": "type", "boolean": "type"}


def drawn(strategy: st.SearchStrategy[T], number: int) -> list[T]:
    """So many of them, the same in every run of one version of Hypothesis."""
    made: list[T] = []

    @seed(SEED)
    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(value: T) -> None:
        made.append(value)

    draw()
    assert len(made) >= number
    return made


@pytest.fixture(scope="module")
def valid() -> Sequence[Case]:
    return drawn(CASES, VALID)


@pytest.fixture(scope="module")
def wrong() -> Sequence[Broken]:
    return drawn(BREAKINGS, BROKEN)


def exactly(value: Json) -> str:
    """A value so that 1, 1.0 and true differ, and the order of members does not."""
    return json.dumps(value, sort_keys=True)


def misjudged(valid: Sequence[Case], wrong: Sequence[Broken]) -> Iterator[tuple[str, Json, Json]]:
    """Where ours is not what AWS's model says."""
    for case in valid:
        if found := refusals(case):
            yield "refused", found, case
        elif exactly(document(case.kind, case.name, case.parent, case.spec).spec.json_object()) != exactly(case.spec):
            yield "changed", case.kind, case
    for bad in wrong:
        if (found := refusals(bad.case)).keys() != {f"/spec{bad.pointer}"}:
            yield bad.rule, found, bad


def test_what_is_drawn_is_valid_by_awss_model(valid: Sequence[Case]) -> None:
    assert [(case, found) for case in valid if (found := list(findings(f"{case.kind}Spec", case.spec)))] == []


def test_what_is_broken_is_broken_once_by_awss_model(wrong: Sequence[Broken]) -> None:
    found = [(bad, set(findings(f"{bad.case.kind}Spec", bad.case.spec))) for bad in wrong]
    assert [
        each for each in found if each[1] != {(each[0].pointer, AS_STRICT_SAYS.get(each[0].rule, each[0].rule))}
    ] == []


def test_valid_specs_are_accepted_and_broken_ones_refused_at_their_place(
    valid: Sequence[Case], wrong: Sequence[Broken]
) -> None:
    print(f"seed {SEED}: {len(valid)} valid and {len(wrong)} broken specs")  # noqa: T201 - counts belong into the log
    assert list(misjudged(valid, wrong)) == []


def members(shape: str, value: Json) -> Iterator[tuple[str, str]]:
    """(shape, member) of all that is said in a value."""
    model = SHAPES[shape]
    if model["type"] == "structure":
        for member, inner in value.items():
            yield shape, member
            yield from members(model["members"][member]["shape"], inner)
    elif model["type"] == "list":
        for inner in value:
            yield from members(model["member"]["shape"], inner)


def reachable(shape: str) -> Iterator[tuple[str, str]]:
    """(shape, member) of all that can be said."""
    model = SHAPES[shape]
    for member, inner in model.get("members", {}).items():
        yield shape, member
        yield from reachable(inner["shape"])
    if model["type"] == "list":
        yield from reachable(model["member"]["shape"])


def shares(valid: Sequence[Case]) -> Mapping[tuple[str, str, str], float]:
    """In which part of a kind's cases each member occurs."""
    said: defaultdict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    kinds = Counter(case.kind for case in valid)
    for case in valid:
        said[case.kind].update(set(members(f"{case.kind}Spec", case.spec)))
    return {
        (kind, *place): said[kind][place] / kinds[kind]
        for kind in APP_MESH_KINDS
        for place in dict.fromkeys(reachable(f"{kind}Spec"))
    }


def test_every_member_and_every_rule_has_its_share(valid: Sequence[Case], wrong: Sequence[Broken]) -> None:
    by_member = shares(valid)
    by_rule = {rule: number / len(wrong) for rule, number in Counter(bad.rule for bad in wrong).items()}
    print(f"{len(by_member)} members, the least covered:")  # noqa: T201
    for place in sorted(by_member, key=by_member.__getitem__)[:8]:
        print(f"  {by_member[place]:6.1%} of {place[0]}: {place[1]}.{place[2]}")  # noqa: T201
    for rule in sorted(by_rule, key=by_rule.__getitem__):
        print(f"  {by_rule[rule]:6.1%} of broken: {rule}")  # noqa: T201
    assert {place: share for place, share in by_member.items() if share < LEAST} == {}
    assert {rule: share for rule, share in by_rule.items() if share < LEAST} == {}
    assert len(by_rule) == 15
    assert sum(case.spec == {} or "{}" in json.dumps(case.spec) for case in valid) > LEAST * len(valid), (
        "empty structures"
    )


# --- over the wire ---------------------------------------------------------------------------------------------------


def spread(drawn: Sequence[T], number: int, kind_of: Callable[[T], str]) -> list[T]:
    """So many of them, of each kind about as many."""
    by_kind = [[each for each in drawn if kind_of(each) == kind] for kind in APP_MESH_KINDS]
    return [each for row in zip(*by_kind, strict=False) for each in row][:number]


def test_valid_specs_come_back_through_boto3_as_they_were_sent(appmesh: Json, valid: Sequence[Case]) -> None:
    for i, case in enumerate(spread(valid, ON_THE_WIRE, lambda case: case.kind)):
        mesh = f"m{i}"
        if case.kind != "Mesh":
            appmesh.create_mesh(meshName=mesh)
        for kind, name, spec in case.neighbours:
            snake(appmesh, "create", kind)(**named(kind, name, None, mesh), spec=spec)
        name = f"{i}{case.name}"[:255] if case.kind == "Mesh" else case.name  # no two meshes have one
        names = named(case.kind, name, case.parent, mesh)
        made = snake(appmesh, "create", case.kind)(**names, spec=case.spec)[Word(case.kind).member]
        seen = snake(appmesh, "describe", case.kind)(**names)[Word(case.kind).member]
        assert exactly(made["spec"]) == exactly(seen["spec"]) == exactly(case.spec)


def snake(client: Json, verb: str, kind: str) -> Callable[..., Json]:
    """A method of boto3's."""
    return getattr(client, f"{verb}{''.join(f'_{c.lower()}' if c.isupper() else c for c in kind)}")  # type: ignore[no-any-return]


def test_broken_specs_are_refused_over_the_wire_naming_the_place(
    installation: Installation, key: Made, wrong: Sequence[Broken]
) -> None:
    with Line(installation.url) as line:
        for bad in spread(wrong, BROKEN_ON_THE_WIRE, lambda bad: bad.case.kind):
            answer = line.send(signed(installation.url, key, bad.case))
            message = json.loads(answer.body)["message"]
            assert (answer.status, answer.error) == (400, "BadRequestException"), bad
            assert f"/spec{bad.pointer}: " in message, bad


def signed(url: str, key: Made, case: Case) -> Request:
    """A Create that boto3 would refuse to send."""
    operation = OPERATIONS[f"Create{case.kind}"]
    names, path = named(case.kind, case.name, case.parent), operation.path
    for name in [name for name in names if f"{{{name}}}" in path]:
        path = path.replace(f"{{{name}}}", quote(names.pop(name), safe=""))
    headers = (("Host", url.removeprefix("http://")), ("Content-Type", "application/json"))
    request = Request(operation.method, path, headers, json.dumps(names | {"spec": case.spec}).encode())
    return signed_anew(request, key.id, str(key.secret))


# --- and whether this would be noticed -------------------------------------------------------------------------------


def rebuilt() -> None:
    """Every structure anew, those within before those that hold them."""
    done: set[type] = set()

    def visit(shape: type[Structure]) -> None:
        if shape in done:
            return
        done.add(shape)
        for field in shape.model_fields.values():
            for inner in held(field.annotation):
                visit(inner)
        shape.model_rebuild(force=True)

    for operation in OPERATIONS.values():
        visit(operation.asked)


def held(annotation: Any) -> Iterator[type[Structure]]:  # noqa: ANN401 - a type
    """The structures in a type."""
    if isinstance(annotation, type) and issubclass(annotation, Structure):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from held(inner)


@pytest.fixture
def remade() -> Iterator[Callable[[type[Structure], str, Any], None]]:
    """Gives a field another type for the length of a test; `Maybe` makes it optional."""
    before: list[tuple[type[Structure], str, FieldInfo]] = []

    def remake(shape: type[Structure], name: str, annotation: Any) -> None:  # noqa: ANN401 - a type
        fields = shape.model_fields
        before.append((shape, name, fields[name]))
        optional = type(None) in getattr(getattr(annotation, "__origin__", None), "__args__", ())
        made = (
            FieldInfo.from_annotated_attribute(annotation, None) if optional else FieldInfo.from_annotation(annotation)
        )
        made.alias, made.validation_alias = fields[name].alias, fields[name].validation_alias
        made.serialization_alias = fields[name].serialization_alias
        fields[name] = made
        rebuilt()

    yield remake
    for shape, name, field in before:
        shape.model_fields[name] = field
    rebuilt()


SABOTAGES: Mapping[str, tuple[type[Structure], str, Any, str]] = {
    "a most is raised": (listening.PortMapping, "port", Annotated[int, Field(ge=1, le=65536)], "too high"),
    "a most is lowered": (
        logging.LoggingFormat, "text", MAYBE[Annotated[str, Field(min_length=1, max_length=999)]], "refused",
    ),
    "a least is dropped": (virtual_node.OutlierDetection, "max_server_errors", structure.NaturalLong, "too low"),
    "an enum is widened": (listening.VirtualGatewayPortMapping, "protocol", listening.NodeProtocol, "enum"),
    "an enum is narrowed": (tls.ListenerTls, "mode", Literal["STRICT", "PERMISSIVE"], "refused"),
    "a pattern is dropped": (virtual_node.AwsCloudMapInstanceAttribute, "key", structure.Name, "pattern"),
    "a member may be left out": (tls.ClientPolicyTls, "validation", MAYBE[tls.TlsValidationContext], "missing"),
    "items are not counted": (route.RouteAction, "weighted_targets", MANY[route.WeightedTarget], "too many items"),
}  # fmt: skip
"""What is done to which field, and the rule by which it must be noticed."""


@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_a_limit_that_is_not_awss_is_noticed(
    valid: Sequence[Case], wrong: Sequence[Broken], remade: Callable[..., None], sabotage: str
) -> None:
    *change, rule = SABOTAGES[sabotage]
    remade(*change)
    found = Counter(why for why, _, _ in misjudged(valid, wrong))
    print(f"{sabotage}: {dict(found)}")  # noqa: T201
    assert found[rule]
    assert rule == "refused" or not found["refused"], "what is loosened refuses nothing"


def test_a_union_of_two_is_noticed(
    valid: Sequence[Case], wrong: Sequence[Broken], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor are many items: both are refused at one place."""
    refuse = structure._refused_with  # noqa: SLF001 - what is sabotaged
    monkeypatch.setattr(
        structure, "_refused_with", lambda error, raw, build: build(raw) if raw else refuse(error, raw, build)
    )
    assert {rule for rule, _, _ in misjudged(valid, wrong)} == {"two of a union", "too many items"}
