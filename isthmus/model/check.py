"""check: everything wrong with a definition that can be found without Envoy.

The rules live with what they are about (a structure's `violations`, a kind's `references`, `rules` and `among`); here
they are asked, of one document or of a whole definition. What passes can be compiled.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from isthmus.errors import Violation
from isthmus.model.definition import Definition
from isthmus.model.document import Document, Key, Spec
from isthmus.model.kind import Reference
from isthmus.model.kinds import KINDS
from isthmus.model.structure import broken

Lookup = Callable[[Key], Document | None]


def references(document: Document) -> tuple[Reference, ...]:
    """What must exist for the document: (where it says so, what). Backends may be ahead of their service: not in it."""
    key, kind = document.key, KINDS[document.key.kind]
    parent: list[Reference] = [("/parent", Key(kind.parent, key.parent))] if kind.parent and key.parent else []
    return (*parent, *kind.references(key, document.spec))


def check_document(document: Document, lookup: Lookup) -> tuple[Violation, ...]:
    """What is wrong with a document that is being written, pointers relative to it; `lookup` finds its neighbours.

    It does not compare the document with others of its kind (two bindings of one workload): `check` does.
    """

    def look(key: Key) -> Spec | None:
        found = lookup(key)
        return found.spec if found else None

    found = [*broken(document.spec, "/spec"), *_dangling(document, lookup)]
    return tuple(sorted({*found, *KINDS[document.key.kind].rules(document.key, document.spec, look)}))


def _dangling(document: Document, lookup: Lookup) -> Iterator[Violation]:
    for pointer, key in references(document):
        if lookup(key) is None:
            yield Violation(pointer, "dangling_reference", f"{key} does not exist")


def findings(definition: Definition, changed: Collection[Key] | None = None) -> Iterator[tuple[Key, Violation]]:
    """Every violation of a definition's documents with the document's key, pointers relative to it.

    With `changed` (the keys written or deleted), only of the documents that the change can break: those, and what
    stands on them. Lasting documents are not broken by the loss of what they name (`kinds/topology.py`).
    """
    documents = definition.documents
    asked = documents.keys() if changed is None else _standing_on(changed, documents)
    for key in asked:
        for violation in check_document(documents[key], documents.get):
            yield key, violation
    for kind in sorted({key.kind for key in asked}):
        yield from KINDS[kind].among(_of_kind(kind, documents, changed or ()))


def check(definition: Definition, *, changed: Collection[Key] | None = None) -> tuple[Violation, ...]:
    """`findings` as pointers into the definition: `/resources/<n-th document>/spec/…`; and of the mesh's own spec."""
    at = {key: f"/resources/{i}" for i, key in enumerate(definition.documents)}
    found = {violation.under(at[key]) for key, violation in findings(definition, changed)}
    return tuple(sorted(found | set(broken(definition.spec, "/spec"))))


def referrers(key: Key, documents: Iterable[Document]) -> tuple[Key, ...]:
    """Who blocks the delete of `key` (appmesh.md §3.6): what must not be left dangling, sorted.

    Not the backends of nodes, and not lasting documents. A mesh is blocked by anything in it but lasting documents.
    """
    standing = (document for document in documents if not KINDS[document.key.kind].lasting)
    if key.kind == "Mesh":
        return tuple(sorted(document.key for document in standing))
    return tuple(sorted(d.key for d in standing if any(to == key for _, to in references(d))))


def _standing_on(changed: Collection[Key], documents: Mapping[Key, Document]) -> list[Key]:
    """The changed documents that are there, and all that refer to a changed one, directly or not, in order.

    Not directly: a gateway route's target port depends on the listeners of the router behind its service.
    """
    users = defaultdict(list)
    for document in documents.values():
        if not KINDS[document.key.kind].lasting:
            for _, key in references(document):
                users[key].append(document.key)
    reached, todo = set(changed), list(changed)
    while todo:
        new = set(users[todo.pop()]) - reached
        reached |= new
        todo += new
    return [key for key in documents if key in reached]


def _of_kind(kind: str, documents: Mapping[Key, Document], changed: Collection[Key]) -> list[tuple[Key, Any]]:
    """The documents of a kind, changed ones last: of two that clash, the newcomer is told."""
    keys = sorted((key for key in documents if key.kind == kind), key=lambda key: key in changed)
    return [(key, documents[key].spec) for key in keys]
