"""certificate authorities: managed ones by `/v1`: made here with a key, or brought along as roots to be trusted.

What App Mesh's `acm.certificateAuthorityArns` name. A root's key is sealed when it is made and never given out. An
authority never changes, so it has no revision: `If-Match: *` is all that a delete can ask for.
"""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from cryptography import x509
from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from api import bodies, conditions
from api.conditions import Precondition
from api.openapi import says
from api.v1.context import Call, Calling, Paged
from api.v1.idempotency import once
from isthmus.adapters.local_signer import new_key
from isthmus.errors import Invalid
from isthmus.model import certificates as asked
from isthmus.pki import foreign, renewal, web
from isthmus.pki.chain import to_pem
from isthmus.store import tables
from isthmus.store.managed_authorities import Made, ManagedAuthorities, sealing_context

router = APIRouter(tags=["certificates"])
PATH = "/certificate-authorities/{authority:segment}"


def authority_of(calling: Call, row: tables.CertificateAuthority) -> dict[str, Any]:
    """What we say of an authority: never its key. `signs`: whether certificates can be requested of it."""
    return {
        "arn": row.arn,
        "id": str(row.id),
        "account": row.account_id,
        "region": row.region,
        "name": row.name,
        "signs": row.sealed_key is not None,
        "roots": row.roots.decode("ascii"),
        "state": "expired" if row.not_after <= calling.now else "issued",
        "warning": renewal.warning(row.not_after, calling.now),
        "not_after": row.not_after.isoformat(),
        "created_at": row.created_at.isoformat(),
    }


@router.post(
    "/certificate-authorities",
    operation_id="createCertificateAuthority",
    status_code=201,
    openapi_extra=says("CertificateAuthority", body="NewAuthority", at=201),
)
async def create_certificate_authority(calling: Calling, request: Request) -> Response:
    """Make one with a key of its own, or bring roots along."""
    raw = await bodies.read_json(request)
    said = asked.parse(asked.NewAuthority, raw).chosen[1]

    def work(session: Session) -> dict[str, Any]:
        number = uuid4()
        if isinstance(said, asked.MadeAuthority):
            signer, sealed = new_key(request.app.state.sealer, sealing_context(calling.org, number))
            life = web.ROOT_LIFE if said.life is None else timedelta(seconds=said.life)
            root = web.root(signer, said.name, serial=x509.random_serial_number(), now=calling.now, life=life)
            made = Made(to_pem([root]), sealed, root.not_valid_after_utc)
        else:
            made = _brought(said, calling)
        region = said.region or calling.settings.region
        row = ManagedAuthorities(session, calling.org).add(said.name, said.account, region, made, number)
        return authority_of(calling, row)

    where = "/v1/certificate-authorities"
    return await once(calling, request, raw, work, status=201, location=lambda made: f"{where}/{made['id']}")


def _brought(said: asked.ImportedAuthority, calling: Call) -> Made:
    try:
        roots = foreign.roots(said.roots.encode(), calling.now)
    except Invalid as refused:
        raise Invalid(each.under("/imported") for each in refused.violations) from None
    return Made(to_pem(roots), None, min(root.not_valid_after_utc for root in roots))


@router.get(
    "/certificate-authorities",
    operation_id="listCertificateAuthorities",
    openapi_extra=says("CertificateAuthorityList"),
)
async def list_certificate_authorities(calling: Calling, page: Paged) -> dict[str, Any]:
    """The org's managed authorities, by ARN."""

    def rows(session: Session, after: str | None, limit: int) -> list[tuple[str, dict[str, Any]]]:
        listed = ManagedAuthorities(session, calling.org).list(after, limit)
        return [(row.arn, authority_of(calling, row)) for row in listed]

    return await page.of(rows)


@router.get(PATH, operation_id="getCertificateAuthority", openapi_extra=says("CertificateAuthority"))
async def get_certificate_authority(calling: Calling, authority: str) -> dict[str, Any]:
    """One authority, by its id or its ARN."""
    return await calling.run(lambda s: authority_of(calling, ManagedAuthorities(s, calling.org).get(authority)))


@router.delete(PATH, operation_id="deleteCertificateAuthority", openapi_extra=says("DeletedCertificate"))
async def delete_certificate_authority(calling: Calling, expected: Precondition, authority: str) -> dict[str, Any]:
    """Forget an authority with its key, if no mesh trusts it and no certificate is renewed by it."""
    conditions.without_revision(expected, "a managed authority")
    await calling.run(lambda session: ManagedAuthorities(session, calling.org).delete(authority))
    return {"deleted": authority}
