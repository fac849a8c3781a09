"""judging: what our model says of a case, in process: as a call of App Mesh's API, with its neighbours there."""

from typing import Any

from isthmus.errors import Invalid
from isthmus.model.calls import asked_of, document_of
from isthmus.model.check import check_document
from isthmus.model.document import Document
from isthmus.model.operations.table import OPERATIONS
from isthmus.model.operations.words import Word, owners
from tests.contract.appmesh.specs import Case

Json = Any


def named(kind: str, name: str, parent: str | None, mesh: str = "m") -> Json:
    """The names in a call: the mesh's, the parent's, its own."""
    within = zip(owners(kind), (mesh, parent), strict=False)
    return {word.name: text for word, text in within} | {Word(kind).name: name}


def document(kind: str, name: str, parent: str | None, spec: Json) -> Document:
    """What a Create puts; Invalid if the model refuses it."""
    operation = OPERATIONS[f"Create{kind}"]
    asked = asked_of(operation, named(kind, name, parent) | {"spec": spec})
    return document_of(operation, asked)


def refusals(case: Case) -> dict[str, str]:
    """Code by pointer of all that is wrong with a case; nothing, if it is accepted."""
    try:
        made = document(case.kind, case.name, case.parent, case.spec)
    except Invalid as invalid:
        return {violation.pointer: violation.code for violation in invalid.violations}
    there = {made.key: made for made in (document(*neighbour[:2], None, neighbour[2]) for neighbour in case.neighbours)}
    return {violation.pointer: violation.code for violation in check_document(made, there.get)}
