"""changes: what a caller wants of a mesh, and what it says it has read; decided without the database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Literal
from uuid import UUID

from isthmus.errors import StaleRevision
from isthmus.model.document import Document, Key


class Existence(Enum):
    """A precondition about there being a thing at all."""

    ANY = "If-Match: *"
    ABSENT = "If-None-Match: *"


ANY, ABSENT = Existence.ANY, Existence.ABSENT


@dataclass(frozen=True, slots=True)
class At:
    """The thing must still be as this revision left it."""

    revision: int


Expected = At | Existence


@dataclass(frozen=True, slots=True)
class Change:
    """Put a document or delete a key. `pointer` is where the request says so, and begins every violation's pointer.

    `owner` is the account that makes the thing, if that is not the mesh's own. Who changes it later
    does not come to own it.
    """

    op: Literal["put", "delete"]
    document: Document | Key
    expected: Expected | None = None
    pointer: str = ""
    owner: str | None = None

    def __post_init__(self) -> None:
        assert isinstance(self.document, Document) == (self.op == "put"), "a put has a document, a delete a key"

    @property
    def key(self) -> Key:
        """What it changes."""
        return self.document.key if isinstance(self.document, Document) else self.document


@dataclass(frozen=True, slots=True)
class Accepted:
    """What came of a change: the mesh's head, and the keys that it changed: none if all was so already.

    `stored` are the things put, as they stand now, changed or not.
    """

    revision: int
    changed: tuple[Key, ...]
    stored: Mapping[Key, "Stored"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as it stands, or stood.

    `revision` is the one that last changed it, its ETag; `version` (changes of the spec) and `uid` are App Mesh's, and
    so is `owner`, the account whose it is where that is not the mesh's.
    """

    document: Document
    revision: int
    version: int
    uid: UUID
    created_at: datetime
    updated_at: datetime
    owner: str | None = None
    vip: str | None = None
    """The address of a virtual service."""


def must_match(what: str, expected: Expected | None, current: int | None) -> None:
    """StaleRevision unless the thing, last changed by revision `current` (None: it is not there), is as expected."""
    match expected:
        case None:
            return
        case At(revision):
            fits = current == revision
        case Existence.ANY:
            fits = current is not None
        case Existence.ABSENT:
            fits = current is None
    if not fits:
        raise StaleRevision(what, current)
