"""plaintext: who calls what in plaintext, as clusters say, and whether a change may forbid it.

A switch to strict would cut off every such call at once, in every cluster, so it is refused while there is one, by
name. What is not known is no pair: a cluster that has said nothing of the mesh yet is named beside the others, but
holds nothing up, or a lost cluster would keep a mesh permissive for ever.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from isthmus.errors import PlaintextInUse, Violation
from isthmus.model.document import Document, Key
from isthmus.store import tables
from isthmus.store.attachments import clusters_of

REASON = "no proxy was seen to stand before them, or the caller's Envoy has no identity"
SECURED = f"{REASON}: App Mesh's TLS is no plaintext, but a strict node is called in the mesh's own only"
REMEDY = "put a proxy before them, or wait until it has acknowledged what it was sent; or take them, or the call, away"
KINDS = {"node": "VirtualNode", "gateway": "VirtualGateway"}


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """A caller of one cluster, and a port of a node that it calls in plaintext there because of these instances.

    `kind` is the caller's, a virtual node's or gateway's. Of very many instances the first are named. `secured`: it
    calls them in App Mesh's own TLS, which a strict node would cut off as well.
    """

    cluster: str
    kind: str
    caller: str
    node: str
    port: int
    instances: tuple[str, ...]
    secured: bool = False

    @classmethod
    def of(cls, cluster: str, said: Mapping[str, Any]) -> Self:
        """What a cluster's summary says."""
        kind = KINDS.get(said["caller_kind"], said["caller_kind"])
        secured = said.get("app_mesh_tls", False)
        return cls(cluster, kind, said["caller"], said["node"], said["port"], tuple(said["instances"]), secured)

    @property
    def reason(self) -> str:
        """Why it is so, and why it holds a switch to strict up."""
        return SECURED if self.secured else REASON

    def __str__(self) -> str:
        named = ", ".join(self.instances)
        how = "App Mesh's TLS" if self.secured else "plaintext"
        return f"{self.kind} {self.caller} calls {self.node}:{self.port} in {how} in cluster {self.cluster}: {named}"


@dataclass(frozen=True, slots=True)
class Modes:
    """What a mesh says of transport, and its nodes of their own."""

    mesh: str | None
    own: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, mesh: str | None, documents: Mapping[Key, Document]) -> Self:
        """As a definition's documents say."""
        said = {key.name: document.spec for key, document in documents.items() if key.kind == "Transport"}
        return cls(mesh, {name: spec.mode for name, spec in said.items()})  # type: ignore[attr-defined]

    def strict(self, node: str) -> bool:
        """Whether a node is called in mutual TLS only."""
        return self.own.get(node, self.mesh) == "strict"


class Plaintext:
    """What the clusters of one mesh have said last."""

    def __init__(self, session: Session, org: UUID, mesh: UUID) -> None:
        row = tables.Summary
        mine = (row.org_id == org, row.mesh_id == mesh)
        said = {each.cluster_id: each.content for each in session.scalars(select(row).where(*mine))}
        attached = clusters_of(session, org, mesh)
        found = (Pair.of(c.name, each) for c in attached for each in said.get(c.id, {}).get("plaintext", ()))
        self.pairs: Sequence[Pair] = sorted(found)
        self.silent = tuple(c.name for c in attached if c.id not in said)

    def refuse(self, was: Modes, will: Modes, at: Callable[[str], str]) -> None:
        """PlaintextInUse if a node that becomes strict is called so; `at`: where the request says it of a node."""
        cut = [pair for pair in self.pairs if will.strict(pair.node) and not was.strict(pair.node)]
        if cut:
            raise PlaintextInUse(map(partial(_cut, at), cut), self.silent)


def _cut(at: Callable[[str], str], pair: Pair) -> Violation:
    code = "called_in_app_mesh_tls" if pair.secured else "called_in_plaintext"
    return Violation(at(pair.node), code, f"{pair} ({pair.reason}): {REMEDY}")
