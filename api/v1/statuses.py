"""statuses: how far what was written has come, and what of it has no effect and why (contracts.md, `meta.status`).

It is read off the newest compiled revision, so right after a write it says `accepted` and nothing of effects: what is
without effect depends on what stands around, which the compiler looks at. App Mesh's own interface has no place for it.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from sqlalchemy.orm import Session

from api.v1.unbound import Said, unbound
from isthmus.model.document import Document
from isthmus.model.kinds.virtual_node import VirtualNodeSpec
from isthmus.store import tables
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
        key = document.key
        known = self._ineffective.get((key.kind, key.text), []) if revision <= self._mesh.target else None
        found = unbound(document, self._said) if isinstance(document.spec, VirtualNodeSpec) else None
        return {"state": self._state(revision), "ineffective": known} | ({"unbound": found} if found else {})

    def of_mesh(self) -> dict[str, Any]:
        """Of the mesh as a whole: `ineffective` names the documents, `[{kind, key, pointer, reason}]`."""
        compiled = self._mesh.head <= self._mesh.target
        notes = self._compiled.notes if compiled and self._compiled else [] if compiled else None
        return {"state": self._state(self._mesh.head), "ineffective": notes}

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
