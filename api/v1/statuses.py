"""statuses: how far what was written has come, and what of it has no effect and why (contracts.md, `meta.status`).

It is read off the newest compiled revision, so right after a write it says `accepted` and nothing of effects: what is
without effect depends on what stands around, which the compiler looks at; but for managed certificates, which come and
go without a compile and are looked up when it is told. App Mesh's own interface has no place for it.
"""

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any

from sqlalchemy.orm import Session

from api.v1.unbound import Said, unbound
from isthmus.model.document import Document, Key
from isthmus.model.kinds.virtual_node import VirtualNodeSpec
from isthmus.store import tables
from isthmus.store.arns import without_effect
from isthmus.store.revisions import Revisions
from isthmus.store.topology import Topology


class Statuses:
    """The statuses of one mesh's documents, in one look at most."""

    def __init__(self, session: Session, mesh: tables.Mesh) -> None:
        self._session, self._mesh = session, mesh

    def of(self, document: Document, revision: int) -> dict[str, Any]:
        """Of a document that `revision` changed last.

        `ineffective`: `[{pointer, reason}]`, pointers into the document; null while it is not compiled. `unbound`: how
        a virtual node is found that no cluster has bound instances of; left out of all others.
        """
        found = unbound(document, self._said) if isinstance(document.spec, VirtualNodeSpec) else None
        also = {"unbound": found} if found else {}
        return {"state": self._state(revision), "ineffective": self._known(document, revision)} | also

    def _known(self, document: Document, revision: int) -> list[dict[str, Any]] | None:
        if revision > self._mesh.target:
            return None
        known = self._ineffective.get((document.key.kind, document.key.text), [])
        return known + [{"pointer": at, "reason": reason} for _, at, reason in self._unmanaged([document])]

    def of_mesh(self, documents: Collection[Document]) -> dict[str, Any]:
        """Of the mesh as a whole: `ineffective` names the documents, `[{kind, key, pointer, reason}]`."""
        if self._mesh.head > self._mesh.target:
            return {"state": self._state(self._mesh.head), "ineffective": None}
        notes = list(self._compiled.notes) if self._compiled else []
        for key, at, reason in self._unmanaged(documents):
            notes.append({"kind": key.kind, "key": key.text, "pointer": at, "reason": reason})
        return {"state": self._state(self._mesh.head), "ineffective": notes}

    def _unmanaged(self, documents: Collection[Document]) -> Iterator[tuple[Key, str, str]]:
        """What names a managed certificate that is not there: known now, not when it was compiled."""
        return without_effect(self._session, self._mesh.org_id, documents)

    def _state(self, revision: int) -> str:
        """`accepted`, then as the revision it is rolled out with (`rolling_out`, `live`, `halted`, …)."""
        if revision <= self._mesh.live:
            return "live"
        return self._compiled.status if revision <= self._mesh.target and self._compiled else "accepted"

    @cached_property
    def _compiled(self) -> tables.Revision | None:
        return Revisions(self._session, self._mesh.org_id, self._mesh.id).revision(self._mesh.target)

    @cached_property
    def _said(self) -> Said:
        return Topology(self._session, self._mesh.org_id).said(self._mesh.id)

    @cached_property
    def _ineffective(self) -> Mapping[tuple[str, str], list[dict[str, str]]]:
        out: dict[tuple[str, str], list[dict[str, str]]] = {}
        for note in self._compiled.notes if self._compiled else ():
            said = {"pointer": note["pointer"], "reason": note["reason"]}
            out.setdefault((note["kind"], note["key"]), []).append(said)
        return out
