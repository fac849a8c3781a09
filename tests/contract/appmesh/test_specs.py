"""Specs drawn from AWS's model: the valid are accepted and come back as sent, the broken are refused by their place."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from isthmus.model.operations.table import OPERATIONS
from isthmus.model.operations.words import APP_MESH_KINDS, Word
from isthmus.store.access_keys import Made
from tests.attack.signing import Line, Request, signed_anew
from tests.contract.appmesh.conftest import Installation
from tests.contract.appmesh.drawing import SEED, broken, exactly, misjudged, valid
from tests.contract.appmesh.judging import named
from tests.contract.appmesh.specs import Case
from tests.contract.appmesh.strict import findings
from tests.contract.aws_model import SHAPES

Json = Any
T = TypeVar("T")
ON_THE_WIRE, BROKEN_ON_THE_WIRE = 70, 42
LEAST = 0.02
"""The share of cases in which each member and each rule must occur (testing.md)."""
AS_STRICT_SAYS = {"null": "type", "boolean": "type"}


def test_what_is_drawn_is_valid_by_awss_model() -> None:
    assert [(case, found) for case in valid() if (found := list(findings(f"{case.kind}Spec", case.spec)))] == []


def test_what_is_broken_is_broken_once_by_awss_model() -> None:
    found = [(bad, set(findings(f"{bad.case.kind}Spec", bad.case.spec))) for bad in broken()]
    assert [
        each for each in found if each[1] != {(each[0].pointer, AS_STRICT_SAYS.get(each[0].rule, each[0].rule))}
    ] == []


def test_valid_specs_are_accepted_and_broken_ones_refused_at_their_place() -> None:
    print(f"seed {SEED}: {len(valid())} valid and {len(broken())} broken specs")  # noqa: T201 - counts belong into the log
    assert list(misjudged()) == []


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


def shares(drawn: Sequence[Case]) -> Mapping[tuple[str, str, str], float]:
    """In which part of a kind's cases each member occurs."""
    said: defaultdict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    kinds = Counter(case.kind for case in drawn)
    for case in drawn:
        said[case.kind].update(set(members(f"{case.kind}Spec", case.spec)))
    return {
        (kind, *place): said[kind][place] / kinds[kind]
        for kind in APP_MESH_KINDS
        for place in dict.fromkeys(reachable(f"{kind}Spec"))
    }


def test_every_member_and_every_rule_has_its_share() -> None:
    by_member = shares(valid())
    by_rule = {rule: number / len(broken()) for rule, number in Counter(bad.rule for bad in broken()).items()}
    print(f"{len(by_member)} members, the least covered:")  # noqa: T201
    for place in sorted(by_member, key=by_member.__getitem__)[:8]:
        print(f"  {by_member[place]:6.1%} of {place[0]}: {place[1]}.{place[2]}")  # noqa: T201
    for rule in sorted(by_rule, key=by_rule.__getitem__):
        print(f"  {by_rule[rule]:6.1%} of broken: {rule}")  # noqa: T201
    assert {place: share for place, share in by_member.items() if share < LEAST} == {}
    assert {rule: share for rule, share in by_rule.items() if share < LEAST} == {}
    assert len(by_rule) == 15
    assert sum(case.spec == {} or "{}" in json.dumps(case.spec) for case in valid()) > LEAST * len(valid()), (
        "empty structures"
    )


# --- over the wire ---------------------------------------------------------------------------------------------------


def spread(drawn: Sequence[T], number: int, kind_of: Callable[[T], str]) -> list[T]:
    """So many of them, of each kind about as many."""
    by_kind = [[each for each in drawn if kind_of(each) == kind] for kind in APP_MESH_KINDS]
    return [each for row in zip(*by_kind, strict=False) for each in row][:number]


def test_valid_specs_come_back_through_boto3_as_they_were_sent(appmesh: Json) -> None:
    for i, case in enumerate(spread(valid(), ON_THE_WIRE, lambda case: case.kind)):
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


def test_broken_specs_are_refused_over_the_wire_naming_the_place(installation: Installation, key: Made) -> None:
    with Line(installation.url) as line:
        for bad in spread(broken(), BROKEN_ON_THE_WIRE, lambda bad: bad.case.kind):
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
