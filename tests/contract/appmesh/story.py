"""story: one resource of each kind is made, looked at, changed, listed, tagged and deleted, whatever the client.

Every operation of App Mesh's API, as its name, its parameters and what must come back; JSON throughout, so that clients
in other languages can be asked. What no test can know is `SET`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.model.operations.table import ERRORS
from isthmus.model.operations.words import Word
from tests.contract.appmesh.conftest import REGION
from tests.contract.appmesh.kinds import ARNS, KINDS

Json = Any
M: Json = {"meshName": "m"}
SET = "given, whatever it is"
CHANCE = frozenset({"createdAt", "lastUpdatedAt", "uid"})
TIMES = {"createdAt": SET, "lastUpdatedAt": SET}
KEPT, TAKEN, ADDED = ({"key": key, "value": key * 2} for key in "abc")


@dataclass(frozen=True)
class Step:
    """One call, and what it answers."""

    operation: str
    params: Json
    answer: Json


def story(account: str) -> Iterator[Step]:
    """All 38 operations, on all seven kinds."""
    for kind, (names, spec, _) in KINDS.items():
        asked = M | names | {"spec": spec, "tags": [KEPT, TAKEN]}
        yield Step(f"Create{word(kind).kind}", asked, whole(account, kind, spec, 1))
    for kind in KINDS:
        yield from middle(account, kind)
    for kind, (names, spec, other) in reversed(KINDS.items()):
        gone = whole(account, kind, other, 1 + (other != spec), "DELETED")
        yield Step(f"Delete{word(kind).kind}", M | names, gone)
    yield Step("ListMeshes", {}, {"meshes": []})


def middle(account: str, kind: str) -> Iterator[Step]:
    """What happens between a resource's creation and its end."""
    (names, spec, other), of = KINDS[kind], word(kind)
    version = 1 + (other != spec)
    yield Step(f"Describe{of.kind}", M | names, whole(account, kind, spec, 1))
    yield Step(f"Update{of.kind}", M | names | {"spec": other}, whole(account, kind, other, version))
    within = {} if kind == "mesh" else M | dict(list(names.items())[:-1])
    reference = M | names | metadata(account, kind, version) | TIMES
    yield Step(f"List{of.plural[0].upper()}{of.plural[1:]}", within, {of.plural: [reference]})
    arn = {"resourceArn": reference["arn"]}
    yield Step("TagResource", arn | {"tags": [ADDED]}, {})
    yield Step("UntagResource", arn | {"tagKeys": [TAKEN["key"]]}, {})
    yield Step("ListTagsForResource", arn, {"tags": [KEPT, ADDED]})


def whole(account: str, kind: str, spec: Json, version: int, status: str = "ACTIVE") -> Json:
    """A resource, under the key that clients put around it."""
    names, _, _ = KINDS[kind]
    about = metadata(account, kind, version) | TIMES | {"uid": SET}
    return {word(kind).member: M | names | {"metadata": about, "spec": spec, "status": {"status": status}}}


def metadata(account: str, kind: str, version: int) -> Json:
    """What is known of it beforehand."""
    arn = f"arn:aws:appmesh:{REGION}:{account}:{ARNS[kind]}"
    return {"arn": arn, "meshOwner": account, "resourceOwner": account, "version": version}


def word(kind: str) -> Word:
    """virtual_node → VirtualNode, and how it is spelled."""
    return Word("".join(part.capitalize() for part in kind.split("_")))


def settled(answer: Json) -> Json:
    """An answer with `SET` for what differs from run to run."""
    match answer:
        case dict():
            return {name: SET if name in CHANCE and part else settled(part) for name, part in answer.items()}
        case list():
            return [settled(part) for part in answer]
    return answer


@dataclass(frozen=True)
class Refusal:
    """One call that must fail, with this exception and a part of its message."""

    operation: str
    params: Json
    name: str
    part: str

    @property
    def status(self) -> int:
        """The exception's, in HTTP."""
        return ERRORS[self.name]


BEFORE = (
    ("CreateMesh", M | {"tags": [KEPT]}),
    ("CreateVirtualNode", M | {"virtualNodeName": "n", "spec": {}}),
)
"""What the refusals need to be there."""


def refusals(account: str) -> Sequence[Refusal]:
    """One for each exception that a call alone brings about."""
    arn = {"resourceArn": f"arn:aws:appmesh:{REGION}:{account}:mesh/m"}
    tags = [{"key": f"{i}", "value": ""} for i in range(50)]
    return (
        Refusal("DescribeVirtualNode", M | {"virtualNodeName": "no"}, "NotFoundException", "VirtualNode with name no"),
        Refusal("CreateMesh", M, "ConflictException", "already"),
        Refusal("DeleteMesh", M, "ResourceInUseException", "Mesh m"),
        Refusal("ListMeshes", {"nextToken": "none"}, "BadRequestException", "token"),
        Refusal("TagResource", arn | {"tags": tags}, "TooManyTagsException", "50"),
    )
