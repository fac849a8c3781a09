"""outcome: what a mesh would be after a change, and whether it may be so; decided without the database.

Violations point into the request: below the change that they are about, or, for a document that the request does not
touch and would break, at the change as a whole.
"""

from collections.abc import Collection, Mapping, Sequence

from isthmus.errors import InUse, Invalid, Violation
from isthmus.model.check import check, findings, referrers
from isthmus.model.definition import Definition
from isthmus.model.document import Document, Key
from isthmus.model.kinds import KINDS
from isthmus.store.changes import Change

Documents = Mapping[Key, Document]


def refuse_misplaced(changes: Sequence[Change], mesh: str) -> None:
    """Invalid for a key changed twice, and for a change of another mesh, or one that would leave none."""
    seen: set[Key] = set()
    wrong = []
    for change in changes:
        if change.key in seen:
            wrong.append(Violation(change.pointer, "duplicate", f"{change.key} is changed twice"))
        if change.key.kind == "Mesh" and change.key.name != mesh:
            wrong.append(Violation(f"{change.pointer}/name", "not_this_mesh", f"this is the mesh {mesh!r}"))
        if change.key.kind == "Mesh" and change.op == "delete":
            wrong.append(Violation(change.pointer, "not_one_of", "a mesh is deleted by itself, not by a change in it"))
        seen.add(change.key)
    if wrong:
        raise Invalid(wrong)


def refuse_in_use(deletes: Collection[Key], outcome: Documents) -> None:
    """InUse for the first deleted key that something in the outcome still refers to."""
    for key in sorted(deletes):
        users = referrers(key, outcome.values())
        if users:
            raise InUse(str(key), map(str, users))


def refuse_broken(changes: Sequence[Change], mesh: str, outcome: Documents) -> None:
    """Invalid with everything that the changes break. `outcome` holds at least what stands around them."""
    at = {change.key: change.pointer for change in changes}
    whole = changes[0].pointer if len(changes) == 1 else ""
    wrong = []
    for key, violation in findings(Definition(mesh, documents=outcome), at.keys()):
        if key in at:
            wrong.append(violation.under(at[key]))
        else:
            wrong.append(Violation(whole, violation.code, f"{key} needs it otherwise: {violation.detail}"))
    if wrong:
        raise Invalid(wrong)


def refuse_broken_whole(outcome: Definition, changed: Collection[Key]) -> None:
    """Invalid with everything wrong in a whole definition that these changes have to do with."""
    wrong = check(outcome, changed=changed)
    if wrong:
        raise Invalid(wrong)


def survives_omission(key: Key) -> bool:
    """Whether a whole-mesh PUT leaves a document that it does not list, because its author may not know of it."""
    return key.kind in KINDS and KINDS[key.kind].lasting


def compared(keys: Collection[Key]) -> Collection[str]:
    """The kinds of these keys whose documents are judged beside all others of the kind."""
    return sorted({key.kind for key in keys if KINDS[key.kind].among is not type(KINDS[key.kind]).among})
