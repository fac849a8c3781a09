"""answers: stored documents as App Mesh shows them: what was sent comes back, and nothing else does."""

from collections.abc import Sequence
from typing import Any

from isthmus.model.arn import arn
from isthmus.model.document import Key
from isthmus.model.operations.table import Operation
from isthmus.model.operations.words import Word, owners
from isthmus.model.structure import Structure
from isthmus.store import tables
from isthmus.store.changes import Stored


def resource(operation: Operation, mesh: tables.Mesh, stored: Stored, status: str = "ACTIVE") -> Structure:
    """One resource, whole."""
    key = stored.document.key
    metadata = _seen(mesh, stored) | {"uid": str(stored.uid)}
    said = {"metadata": metadata, "spec": stored.document.spec, "status": {"status": status}}
    return operation.answered.model_validate(_names(mesh.name, key) | said)


def listed(operation: Operation, found: Sequence[tuple[tables.Mesh, Stored]], token: str | None) -> Structure:
    """A page of references."""
    assert operation.kind is not None, "tags have a list of their own"
    references = [_names(mesh.name, stored.document.key) | _seen(mesh, stored) for mesh, stored in found]
    return operation.answered.model_validate({Word(operation.kind).plural: references} | next_token(token))


def next_token(token: str | None) -> dict[str, str]:
    """The member that says where the next page begins; none on the last."""
    return {} if token is None else {"nextToken": token}


def owner_of(mesh: tables.Mesh, stored: Stored) -> str:
    """Whose a resource is."""
    return stored.owner or mesh.account_id


def _seen(mesh: tables.Mesh, stored: Stored) -> dict[str, Any]:
    owner = owner_of(mesh, stored)
    return {
        "arn": arn(mesh.region, owner, mesh.name, stored.document.key),
        "createdAt": stored.created_at.timestamp(),
        "lastUpdatedAt": stored.updated_at.timestamp(),
        "meshOwner": mesh.account_id,
        "resourceOwner": owner,
        "version": stored.version,
    }


def _names(mesh: str, key: Key) -> dict[str, str]:
    within = [mesh, *([key.parent] if key.parent else [])]
    named = {word.name: name for word, name in zip(owners(key.kind), within, strict=False)}
    return named | {Word(key.kind).name: key.name}
