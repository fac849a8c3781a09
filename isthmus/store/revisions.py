"""revisions: a mesh's definition as a row of accepted changes, each checked as a whole and kept with its promise.

One writer of a mesh at a time: its row is locked, so numbers have no gaps and a precondition cannot be overtaken. The
lock is FOR NO KEY UPDATE, because FOR UPDATE would also stop everybody who only refers to the mesh (summaries,
deliveries) until the write ends.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import IPv4Network
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from isthmus.errors import Invalid, NotFound, Violation
from isthmus.model.check import references
from isthmus.model.definition import Definition, Settings
from isthmus.model.document import Document, Key
from isthmus.model.kinds.mesh import MeshSpec
from isthmus.model.vips import network
from isthmus.store import tables
from isthmus.store.changes import ABSENT, ANY, Accepted, At, Change, Expected, Stored, must_match
from isthmus.store.documents import SETTINGS, Content, Documents, Standing, document_of, stored, stored_of
from isthmus.store.outcome import (
    compared,
    refuse_broken,
    refuse_broken_whole,
    refuse_in_use,
    refuse_misplaced,
    survives_omission,
)
from isthmus.store.plaintext import Modes, Plaintext
from isthmus.store.promises import Promises
from isthmus.store.quotas import Quotas
from isthmus.store.vips import Vips

__all__ = ["ABSENT", "ANY", "Accepted", "At", "Change", "Expected", "Revisions", "Stored", "quiet"]

QUIET = timedelta(seconds=1)
"""A change that comes within this time of another is compiled when the time is over (contracts.md)."""


class Revisions:
    """The revisions of one mesh of one org. `held` is the mesh's row, if this transaction has it locked already."""

    def __init__(self, session: Session, org: UUID, mesh: UUID, held: tables.Mesh | None = None) -> None:
        self._session, self._org, self._mesh = session, org, mesh
        self._documents = Documents(session, org, mesh)
        self.vips = Vips(session, org, mesh)
        self._held = held
        self._read: dict[Key, Row[Any] | None] = {}

    def apply(self, changes: Sequence[Change], *, author: str, reason: str, now: datetime) -> Accepted:
        """Make all changes in one revision, or none if they change nothing.

        Raises StaleRevision, NotFound (delete of what is not there), InUse, PlaintextInUse, QuotaExceeded,
        VipsExhausted and Invalid; then nothing is changed.
        """
        mesh = self.hold()
        refuse_misplaced(changes, mesh.name)
        before = self._before([change.key for change in changes])
        for change in changes:
            _must_apply(change, before)
        real = [change for change in changes if _differs(change, before)]
        same = {c.key: stored_of(before[c.key]) for c in changes if c.op == "put" and c not in real}
        if not real:
            return Accepted(mesh.head, (), same)
        puts = {c.key: c.document for c in real if isinstance(c.document, Document)}
        deletes = {c.key for c in real} - puts.keys()
        outcome = self._outcome(puts, deletes)
        refuse_in_use(deletes, outcome)
        refuse_broken(real, mesh.name, outcome)
        self._refuse_unknown_clusters({c.key: c.pointer for c in real if c.op == "put"})
        self._refuse_cut_off([c for c in real if c.key.kind == "Transport"], mesh.name, before)
        contents = [Content.of(c.document, c.owner) for c in real if isinstance(c.document, Document)]
        accepted = self._write(mesh, contents, deletes, before, author=author, reason=reason, now=now)
        return replace(accepted, stored={**same, **accepted.stored})

    def replace(
        self, definition: Definition, *, expected: Expected | None = None, author: str, reason: str, now: datetime
    ) -> Accepted:
        """Bring the mesh to a whole definition in one revision that writes only the differences.

        What is not listed is deleted, but for documents that last (`kinds/topology.py`). A mesh's ETag is its head.
        Raises StaleRevision, PlaintextInUse and Invalid (pointers into the definition).
        """
        mesh = self.hold()
        if definition.name != mesh.name:
            raise Invalid.one("/name", "not_this_mesh", f"this is the mesh {mesh.name!r}")
        must_match(f"mesh {mesh.name}", expected, mesh.head or None)
        before = self._documents.standing()
        wanted = {content.key: content for content in _contents(definition)}
        contents = [c for key, c in wanted.items() if key not in before or before[key].digest != c.digest]
        deletes = {key for key in before if key not in wanted and not survives_omission(key)}
        changed = {content.key for content in contents} | deletes
        if not changed:
            return Accepted(mesh.head, ())
        kept = {key: document_of(row) for key, row in before.items() if key not in wanted and key not in deletes}
        documents = {**definition.documents, **kept}
        refuse_broken_whole(replace(definition, documents=documents), changed)
        at = {key: f"/resources/{i}" for i, key in enumerate(documents) if key in changed}
        self._refuse_unknown_clusters(at)
        was, will = _modes(mesh.name, before), Modes.of(definition.settings.transport, documents)
        if will != was:
            said = {key.name: f"{pointer}/spec/mode" for key, pointer in at.items() if key.kind == "Transport"}
            found = Plaintext(self._session, self._org, self._mesh)
            found.refuse(was, will, lambda node: said.get(node, "/settings/transport"))
        return self._write(mesh, contents, deletes, before, author=author, reason=reason, now=now)

    def end(self, *, author: str, reason: str, now: datetime) -> Accepted:
        """The revision in which nothing stands: the mesh is deleted. InUse while anything of App Mesh is in it."""
        mesh = self.hold()
        before = self._documents.standing()
        refuse_in_use([Key("Mesh", mesh.name)], _documents(before))
        return self._write(mesh, [], set(before), before, author=author, reason=reason, now=now)

    def definition(self, at: int | None = None) -> Definition:
        """The whole mesh as it stands, or stood at a revision; empty where nothing stood, as after the mesh's end."""
        rows = self._documents.standing() if at is None else self._documents.at(at)
        name = self._session.get_one(tables.Mesh, (self._org, self._mesh)).name
        spec, settings = rows.get(Key("Mesh", name)), rows.get(Key(SETTINGS, name))
        return Definition(
            name,
            MeshSpec.model_validate(spec.spec if spec else {}),
            Settings.model_validate(settings.spec if settings else {}),
            spec.tags if spec else {},
            _documents(rows),
        )

    def edit(self, since: int, until: int) -> Mapping[Key, Document | None]:
        """What was changed after one revision and up to another: as it stood at that, None where it was gone."""
        row = tables.Revision
        mine = (row.org_id == self._org, row.mesh_id == self._mesh, row.number > since, row.number <= until)
        told = self._session.scalars(select(row.changed).where(*mine))
        keys = {Key.of(kind, text) for changed in told for kind, text in changed}
        standing = _documents(self._documents.of_keys(keys, at=until)) if keys else {}
        return {key: standing.get(key) for key in sorted(keys)}

    def get(self, key: Key, at: int | None = None) -> Stored | None:
        """One document as it stands, or stood at a revision."""
        row = tables.ResourceVersion
        this = (row.kind == key.kind, row.key == key.text)
        rows = self._documents.standing(*this) if at is None else self._documents.at(at, *this)
        if at is None and self._held is not None:
            self._read[key] = rows.get(key)
        return stored_of(rows[key]) if key in rows else None

    def _before(self, keys: Sequence[Key]) -> Standing:
        """What stands under these keys in a mesh that is held: what `get` has read since needs no second look."""
        unread = [key for key in keys if key not in self._read]
        found = self._documents.of_keys(unread) if unread else {}
        known = {**self._read, **found}
        return {key: row for key in keys if (row := known.get(key)) is not None}

    def list(self, kind: str, parent: str | None, after: str | None, limit: int) -> Sequence[Stored]:
        """Up to `limit` documents of a kind (and parent), in the order of their keys' texts, after that text."""
        return [stored_of(row) for row in self._documents.page(kind, parent, after, limit)]

    def revisions(self, before: int | None, limit: int) -> Sequence[tables.Revision]:
        """Up to `limit` revisions, newest first, older than `before`."""
        row = tables.Revision
        query = select(row).where(row.org_id == self._org, row.mesh_id == self._mesh)
        query = query if before is None else query.where(row.number < before)
        return self._session.scalars(query.order_by(row.number.desc()).limit(limit)).all()

    def revision(self, number: int) -> tables.Revision | None:
        """One revision."""
        return self._session.get(tables.Revision, (self._org, self._mesh, number))

    def hold(self) -> tables.Mesh:
        """The mesh's row, as whoever held it before left it; nobody else writes the mesh until the transaction ends."""
        if self._held is not None:
            return self._held
        row = tables.Mesh
        mine = (row.org_id == self._org, row.id == self._mesh, row.deleted_at.is_(None))
        query = select(row).where(*mine).with_for_update(key_share=True)
        mesh = self._session.scalars(query, execution_options={"populate_existing": True}).one_or_none()
        if mesh is None:
            raise NotFound("there is no such mesh")
        self._held = mesh
        return mesh

    def _outcome(self, puts: Mapping[Key, Document], deletes: set[Key]) -> dict[Key, Document]:
        """What will stand around the changes."""
        named = {key for document in puts.values() for _, key in references(document)}
        documents = self._documents.around(puts.keys() | deletes, named)
        for kind in compared(puts):
            documents |= _documents(self._documents.standing(tables.ResourceVersion.kind == kind))
        documents |= puts
        return {key: document for key, document in documents.items() if key not in deletes}

    def _refuse_unknown_clusters(self, puts: Mapping[Key, str]) -> None:
        """Attachments are named for the org's clusters, which cannot go until this transaction ends."""
        attached = {key.name: pointer for key, pointer in puts.items() if key.kind == "Attachment"}
        if not attached:
            return
        row = tables.Cluster
        query = select(row.name).where(row.org_id == self._org, row.name.in_(attached)).order_by(row.name)
        known = set(self._session.scalars(query.with_for_update(read=True, key_share=True)))
        wrong = [
            Violation(f"{pointer}/name", "dangling_reference", f"there is no cluster {name}")
            for name, pointer in attached.items()
            if name not in known
        ]
        if wrong:
            raise Invalid(wrong)

    def _refuse_cut_off(self, transports: Sequence[Change], mesh: str, before: Standing) -> None:
        """What the mesh says is looked up only where a node's own word changes."""
        if not transports:
            return
        said = Modes.of(None, {c.key: c.document for c in transports if isinstance(c.document, Document)})
        was = _modes(mesh, {**before, **self._documents.of_keys([Key(SETTINGS, mesh)])})
        at = {c.key.name: f"{c.pointer}/spec/mode" if c.op == "put" else c.pointer for c in transports}
        Plaintext(self._session, self._org, self._mesh).refuse(was, replace(said, mesh=was.mesh), at.__getitem__)

    def _write(
        self,
        mesh: tables.Mesh,
        contents: Sequence[Content],
        deletes: set[Key],
        before: Standing,
        *,
        author: str,
        reason: str,
        now: datetime,
    ) -> Accepted:
        """The next revision, with its rows and its promise."""
        number = mesh.head + 1
        written = deletes | {content.key for content in contents}
        self._read.clear()
        self._documents.end([key for key in written if key in before], number)
        vips = self._vips(contents, before, now)
        rows = self._documents.begin(contents, before, number, now, vips)
        made = [content.key for content in contents if content.key not in before]
        Quotas(self._session, self._org).refuse_more_objects(self._mesh, made, _more_backends(contents, before))
        due_at = self._due(mesh.head, now)
        changed = _told(written)
        row = {
            "org_id": self._org,
            "mesh_id": self._mesh,
            "number": number,
            "author": author,
            "reason": reason,
            "changed": [[key.kind, key.text] for key in changed],
            "accepted_at": now,
        }
        head = update(tables.Mesh).where(tables.Mesh.org_id == self._org, tables.Mesh.id == self._mesh)
        moved = head.values(head=number).returning(tables.Mesh.id).cte("moved")
        self._session.execute(insert(tables.Revision).values(row).add_cte(moved))
        set_committed_value(mesh, "head", number)
        arguments, once = {"mesh": str(self._mesh)}, f"compile:{self._mesh}"
        Promises(self._session, self._org).make("compile", arguments, once=once, due_at=due_at)
        return Accepted(number, changed, _stored(contents, rows))

    def _vips(self, contents: Sequence[Content], before: Standing, now: datetime) -> Mapping[str, str]:
        """The addresses of the virtual services that are written: those they have, or else new ones."""
        services = [content.key for content in contents if content.key.kind == "VirtualService"]
        if not services:
            return {}
        had = {key.name: str(before[key].vip) for key in services if key in before and before[key].vip is not None}
        made = [key.name for key in services if key.name not in had]
        return {**had, **(self.vips.give(made, self._range(contents), now) if made else {})}

    def _range(self, contents: Sequence[Content]) -> IPv4Network:
        """From where new addresses are taken."""
        said = [content.spec for content in contents if content.key.kind == SETTINGS]
        said += [row.spec for row in self._documents.standing(tables.ResourceVersion.kind == SETTINGS).values()]
        return network(said[0].get("vips") if said else None)

    def _due(self, head: int, now: datetime) -> datetime | None:
        """When the change that comes after `head` is to be compiled, in database time; None is at once."""
        row = tables.Revision
        last = (row.org_id == self._org, row.mesh_id == self._mesh, row.number == head)
        found = self._session.execute(select(row.accepted_at, func.clock_timestamp()).where(*last)).one_or_none()
        wait = quiet(found[0], now) if found else timedelta(0)
        return found[1] + wait if found and wait else None


def quiet(previous: datetime, now: datetime) -> timedelta:
    """How long a change waits to be compiled: not at all, unless the previous one was accepted within the last second.

    Both are times of API processes, whose clocks differ: the wait is never longer than the quiet time.
    """
    return min(max(previous + QUIET - now, timedelta(0)), QUIET)


def _stored(contents: Sequence[Content], rows: Iterable[Mapping[str, Any]]) -> Mapping[Key, Stored]:
    """The rows just written, as they would be read. The mesh's settings are no document."""
    return {
        content.key: stored(content.document, row)
        for content, row in zip(contents, rows, strict=True)
        if content.document is not None
    }


def _more_backends(contents: Sequence[Content], before: Standing) -> Mapping[str, int]:
    """How many backends each written node has that has more of them than it had."""
    nodes = [content for content in contents if content.key.kind == "VirtualNode"]
    had = {c.key: before[c.key].spec if c.key in before else {} for c in nodes}
    return {c.key.name: _backends(c.spec) for c in nodes if _backends(c.spec) > _backends(had[c.key])}


def _backends(node: Mapping[str, Any]) -> int:
    return len(node.get("backends", ()))


def _must_apply(change: Change, before: Standing) -> None:
    row = before.get(change.key)
    if row is None and change.op == "delete":
        raise NotFound(f"there is no {change.key}")
    must_match(str(change.key), change.expected, None if row is None else row.from_revision)


def _differs(change: Change, before: Standing) -> bool:
    row = before.get(change.key)
    return row is None or not isinstance(change.document, Document) or Content.of(change.document).digest != row.digest


def _contents(definition: Definition) -> Iterable[Content]:
    yield from Content.of_mesh(definition)
    yield from map(Content.of, definition.documents.values())


def _documents(rows: Standing) -> dict[Key, Document]:
    """All but what is said of the mesh itself."""
    return {key: document_of(row) for key, row in rows.items() if key.kind not in {"Mesh", SETTINGS}}


def _modes(mesh: str, rows: Standing) -> Modes:
    """What these rows say of transport."""
    settings = rows.get(Key(SETTINGS, mesh))
    own = {key: row for key, row in rows.items() if key.kind == "Transport"}
    return Modes.of(settings.spec.get("transport") if settings else None, _documents(own))


def _told(written: Iterable[Key]) -> tuple[Key, ...]:
    """The changed keys as the tenant knows them: settings are the mesh's."""
    return tuple(sorted({Key("Mesh", key.name) if key.kind == SETTINGS else key for key in written}))
