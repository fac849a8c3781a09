"""documents: the rows that hold what a mesh is made of, one per document from one revision until another.

A write reads what it needs and no more: on a mesh of 1,000 services the rows around one route are a handful. What
stands around a document is found through `resource_references`, which is kept in step with the standing rows.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, ColumnElement, Row, Text, cast, delete, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import JSON, JSONB, insert
from sqlalchemy.orm import Session

from isthmus.model.check import references
from isthmus.model.definition import Definition
from isthmus.model.document import Document, Key, parse_spec
from isthmus.model.kinds import KINDS
from isthmus.store import tables
from isthmus.store.changes import Stored

SETTINGS = "Settings"
"""The kind of row that holds the mesh's settings, which are no document of their own."""

Standing = Mapping[Key, Row[Any]]

_ROW = tables.ResourceVersion
COLUMNS = (
    _ROW.kind,
    _ROW.key,
    _ROW.from_revision,
    _ROW.spec,
    _ROW.tags,
    _ROW.digest,
    _ROW.uid,
    _ROW.version,
    _ROW.vip,
    _ROW.owner,
    _ROW.created_at,
    _ROW.updated_at,
)

_AROUND = text("""
WITH RECURSIVE users(kind, key) AS (
    SELECT * FROM unnest(CAST(:changed_kinds AS text[]), CAST(:changed_keys AS text[]))
    UNION
    SELECT r.kind, r.key FROM users u JOIN resource_references r
      ON r.org_id = :org AND r.mesh_id = :mesh AND r.to_kind = u.kind AND r.to_key = u.key
), around(kind, key) AS (
    (SELECT * FROM users UNION SELECT * FROM unnest(CAST(:named_kinds AS text[]), CAST(:named_keys AS text[])))
    UNION
    SELECT r.to_kind, r.to_key FROM around a JOIN resource_references r
      ON r.org_id = :org AND r.mesh_id = :mesh AND r.kind = a.kind AND r.key = a.key
)
SELECT v.kind, v.key, v.spec, v.tags FROM around a JOIN resource_versions v
  ON v.org_id = :org AND v.mesh_id = :mesh AND v.kind = a.kind AND v.key = a.key AND v.to_revision IS NULL""").columns(
    kind=Text, key=Text, spec=JSONB, tags=JSON
)
"""Whatever stands on the changed keys, directly or not, and whatever those and the named keys stand on."""


@dataclass(frozen=True, slots=True)
class Content:
    """What is to stand under a key, and what it refers to."""

    key: Key
    spec: dict[str, Any]
    tags: dict[str, str]
    refers: frozenset[Key] = frozenset()
    owner: str | None = None
    document: Document | None = None
    """What it was made of; settings are none."""

    @classmethod
    def of(cls, document: Document, owner: str | None = None) -> Self:
        """A document's. Lasting kinds refer to nothing that minds."""
        named = () if KINDS[document.key.kind].lasting else references(document)
        refers = frozenset(key for _, key in named)
        return cls(document.key, document.spec.json_object(), dict(document.tags), refers, owner, document)

    @classmethod
    def of_mesh(cls, definition: Definition) -> Sequence[Self]:
        """What a definition says of the mesh itself."""
        mesh = Document(Key("Mesh", definition.name), definition.spec, definition.tags)
        return cls.of(mesh), cls(Key(SETTINGS, definition.name), definition.settings.json_object(), {})

    @property
    def digest(self) -> str:
        """Equal content, equal digest: what changes nothing makes no revision."""
        said = json.dumps([self.spec, self.tags], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(said.encode()).hexdigest()


def key_of(row: Row[Any]) -> Key:
    """A row's key."""
    return Key.of(row.kind, row.key)


def document_of(row: Row[Any]) -> Document:
    """A row's document."""
    return Document(key_of(row), parse_spec(row.kind, row.spec), row.tags)


def stored_of(row: Row[Any]) -> Stored:
    """A row's document with what we say of it."""
    return stored(document_of(row), row._asdict())


def stored(document: Document, row: Mapping[str, Any]) -> Stored:
    """A document with what its row says of it."""
    return Stored(
        document,
        row["from_revision"],
        row["version"],
        row["uid"],
        row["created_at"],
        row["updated_at"],
        row["owner"],
        row["vip"] and str(row["vip"]),
    )


class Documents:
    """The rows of one mesh."""

    def __init__(self, session: Session, org: UUID, mesh: UUID) -> None:
        self._session, self._org, self._mesh = session, org, mesh

    def standing(self, *conditions: ColumnElement[bool]) -> Standing:
        """The newest rows by key: all of them, or those that meet the conditions."""
        query = select(*COLUMNS).where(*self._mine(), _ROW.to_revision.is_(None), *conditions)
        return self._by_key(self._session.execute(query))

    def at(self, revision: int, *conditions: ColumnElement[bool]) -> Standing:
        """The rows that stood at a revision, by key."""
        began, ended = _ROW.from_revision <= revision, _ROW.to_revision
        stood = began & (ended.is_(None) | (ended > revision))
        return self._by_key(self._session.execute(select(*COLUMNS).where(*self._mine(), stood, *conditions)))

    def of_keys(self, keys: Collection[Key], at: int | None = None) -> Standing:
        """The rows under these keys, the newest or those of a revision."""
        return self.standing(_among(keys)) if at is None else self.at(at, _among(keys))

    def page(self, kind: str, parent: str | None, after: str | None, limit: int) -> Sequence[Row[Any]]:
        """Up to `limit` of the newest rows of a kind (and parent), by key, beginning after that one."""
        query = select(*COLUMNS).where(*self._mine(), _ROW.to_revision.is_(None), _ROW.kind == kind)
        if parent is not None:
            query = query.where(func.starts_with(_ROW.key, Key(kind, "", parent).text))
        if after is not None:
            query = query.where(_ROW.key > after)
        return self._session.execute(query.order_by(_ROW.key).limit(limit)).all()

    def around(self, changed: Collection[Key], named: Collection[Key]) -> dict[Key, Document]:
        """The documents that a change of these keys can break, and all that is needed to judge them and `named`."""
        arguments: dict[str, Any] = {"org": self._org, "mesh": self._mesh}
        for name, keys in (("changed", changed), ("named", named)):
            arguments |= {f"{name}_kinds": [k.kind for k in keys], f"{name}_keys": [k.text for k in keys]}
        return {key_of(row): document_of(row) for row in self._session.execute(_AROUND, arguments)}

    def end(self, keys: Collection[Key], revision: int) -> None:
        """These keys' rows stand no longer from `revision` on."""
        if not keys:
            return
        ended = update(_ROW).where(*self._mine(), _ROW.to_revision.is_(None), _among(keys))
        source = tables.Reference
        theirs = tuple_(source.kind, source.key).in_(_pairs(keys))
        gone = delete(source).where(source.org_id == self._org, source.mesh_id == self._mesh, theirs)
        said_no_more = gone.returning(source.kind).cte("said_no_more")
        unsynchronised = {"synchronize_session": False}
        self._session.execute(
            ended.values(to_revision=revision).add_cte(said_no_more), execution_options=unsynchronised
        )

    def begin(
        self, contents: Iterable[Content], before: Standing, revision: int, now: datetime, vips: Mapping[str, str]
    ) -> Iterable[dict[str, Any]]:
        """These contents stand from `revision` on, after the rows of `before`, which are ended already. Their rows.

        `vips`: of the virtual services among them, by name.
        """
        mine = {"org_id": self._org, "mesh_id": self._mesh}
        rows, named = [], []
        for content in contents:
            source = {"kind": content.key.kind, "key": content.key.text}
            vip = vips.get(content.key.name) if content.key.kind == "VirtualService" else None
            rows.append(mine | source | _row(content, before.get(content.key), revision, now) | {"vip": vip})
            named += [mine | source | {"to_kind": to.kind, "to_key": to.text} for to in sorted(content.refers)]
        for table, values in ((_ROW, rows), (tables.Reference, named)):
            if values:
                self._session.execute(insert(table), values)
        return rows

    def _mine(self) -> tuple[ColumnElement[bool], ...]:
        return _ROW.org_id == self._org, _ROW.mesh_id == self._mesh

    def _by_key(self, rows: Iterable[Row[Any]]) -> Standing:
        return dict(sorted(((key_of(row), row) for row in rows), key=lambda pair: (pair[0].kind, pair[0].text)))


def _row(content: Content, before: Row[Any] | None, revision: int, now: datetime) -> dict[str, Any]:
    """All but the address. App Mesh's metadata is carried over; tags alone are no new version of a thing."""
    said = {"from_revision": revision, "spec": content.spec, "tags": content.tags, "digest": content.digest}
    if before is None:
        new = {"uid": uuid4(), "version": 1, "owner": content.owner}
        return said | new | {"created_at": now, "updated_at": now}
    same = before.spec == content.spec
    return said | {
        "uid": before.uid,
        "version": before.version + (0 if same else 1),
        "owner": before.owner,
        "created_at": before.created_at,
        "updated_at": before.updated_at if same else now,
    }


def _among(keys: Collection[Key]) -> ColumnElement[bool]:
    return tuple_(_ROW.kind, _ROW.key).in_(_pairs(keys))


def _pairs(keys: Collection[Key]) -> Any:  # noqa: ANN401 - a subquery
    """Any number of keys in two parameters: a whole mesh would be more than a statement may have."""
    kinds = cast([key.kind for key in keys], ARRAY(Text))
    texts = cast([key.text for key in keys], ARRAY(Text))
    listed = func.unnest(kinds, texts).table_valued("kind", "key").render_derived()
    return select(listed.c.kind, listed.c.key)
