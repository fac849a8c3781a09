"""ARNs: who names a managed certificate or authority, and what becomes of the name.

App Mesh took any ARN, so a mesh may name what does not exist. That is no error; it is told as without effect
(`meta.status`), here and nowhere else, because only the store knows both sides.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Text, cast, select
from sqlalchemy.orm import Session

from isthmus.model.document import Document, Key
from isthmus.model.managed_arn import named
from isthmus.store import tables

_ISSUED = ""


def called(row: type[tables.Certificate | tables.CertificateAuthority], ref: str) -> ColumnElement[bool]:
    """The row that a path means: by its ARN, or by the id at the ARN's end."""
    try:
        return row.id == UUID(ref)
    except ValueError:
        return row.arn == ref


def users_of(session: Session, org: UUID, arn: str) -> Sequence[str]:
    """The documents of standing meshes that name an ARN, as `Mesh name: Kind key`."""
    row, mesh = tables.ResourceVersion, tables.Mesh
    joined = (row.org_id == mesh.org_id) & (row.mesh_id == mesh.id)
    stands = (mesh.org_id == org, mesh.deleted_at.is_(None), row.to_revision.is_(None))
    says = cast(row.spec, Text).contains(arn, autoescape=True)
    found = session.execute(select(mesh.name, row.kind, row.key).join(row, joined).where(*stands, says))
    return [f"Mesh {name}: {kind} {key}" for name, kind, key in found]


def without_effect(session: Session, org: UUID, documents: Collection[Document]) -> Iterator[tuple[Key, str, str]]:
    """(document, pointer, reason) of every ARN in these documents under which there is nothing to show or to trust."""
    said = [(document.key, pointer, arn) for document in documents for pointer, arn in named(document)]
    states = _states(session, org, {arn for _, _, arn in said}) if said else {}
    for key, pointer, arn in said:
        if arn not in states:
            yield key, pointer, f"there is no managed certificate or authority {arn} here"
        elif states[arn] != _ISSUED:
            yield key, pointer, f"managed certificate {arn} is not issued yet: {states[arn]}"


def _states(session: Session, org: UUID, arns: Collection[str]) -> Mapping[str, str]:
    """Each ARN that there is → why it has nothing to show, or nothing."""
    row, above = tables.Certificate, tables.CertificateAuthority
    held = select(row.arn, row.state, row.reason, row.chain.is_(None)).where(row.org_id == org, row.arn.in_(arns))
    out = {arn: (reason or state) if bare else _ISSUED for arn, state, reason, bare in session.execute(held)}
    trusted = session.scalars(select(above.arn).where(above.org_id == org, above.arn.in_(arns)))
    return out | dict.fromkeys(trusted, _ISSUED)
