"""certificates: managed ones by `/v1`: requested of an authority here, imported, or fetched by ACME.

What App Mesh's `acm.certificateArn` names. A private key comes in and is never given out. The ETag is how often its
owner has changed it, so two who import anew cannot pass each other unseen.
"""

from datetime import datetime
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from api import bodies, conditions
from api.conditions import Precondition
from api.openapi import says
from api.v1.context import Call, Calling, Paged
from api.v1.idempotency import once
from isthmus.errors import Invalid
from isthmus.model import certificates as asked
from isthmus.pki import foreign, renewal
from isthmus.store import tables
from isthmus.store.certificates import ACME, IMPORTED, REQUESTED, Certificates, Wanted, sealing_context
from isthmus.store.managed_authorities import ManagedAuthorities

router = APIRouter(tags=["certificates"])
PATH = "/certificates/{certificate:segment}"


def certificate_of(session: Session, calling: Call, row: tables.Certificate) -> dict[str, Any]:
    """What we say of a certificate: never its key. `warning`: days (60, 30, 7) within which an imported one ends."""
    above = ManagedAuthorities(session, calling.org).by_id(row.authority_id) if row.authority_id else None
    return {
        "arn": row.arn,
        "id": str(row.id),
        "account": row.account_id,
        "region": row.region,
        "source": row.source,
        "domains": row.domains,
        "authority": above.arn if above else None,
        "directory": row.directory,
        "life": row.life,
        **_state(row, calling.now),
        "chain": row.chain.decode("ascii") if row.chain else None,
        "serial": row.serial,
        "generation": row.generation,
        "created_at": row.created_at.isoformat(),
    }


def _state(row: tables.Certificate, now: datetime) -> dict[str, Any]:
    """Where it stands: what follows from its dates follows from the clock, and is stored nowhere."""
    start, end = row.not_before, row.not_after
    known = start is not None and end is not None
    ours = row.source != IMPORTED
    return {
        "state": "expired" if end is not None and end <= now else row.state,
        "reason": row.reason or None,
        "warning": renewal.warning(end, now) if end is not None and not ours else None,
        "not_before": start.isoformat() if start else None,
        "not_after": end.isoformat() if end else None,
        "renew_at": renewal.renew_at(start, end).isoformat() if known and ours else None,  # type: ignore[arg-type]
    }


@router.post(
    "/certificates",
    operation_id="createCertificate",
    status_code=201,
    openapi_extra=says("Certificate", body="NewCertificate", at=201),
)
async def create_certificate(calling: Calling, request: Request) -> Response:
    """Request one of a managed authority, import one with its key, or have one fetched by ACME."""
    raw = await bodies.read_json(request)
    said = asked.parse(asked.NewCertificate, raw)

    def work(session: Session) -> dict[str, Any]:
        match said.chosen[1]:
            case asked.Imported() as brought:
                row = _imported(session, calling, request, brought)
            case asked.AcmeOrdered() as ordered:
                row = _ordered(session, calling, ordered)
            case requested:
                row = _requested(session, calling, requested)
        return certificate_of(session, calling, row)

    return await once(calling, request, raw, work, status=201, location=lambda made: f"/v1/certificates/{made['id']}")


def _requested(session: Session, calling: Call, said: asked.Requested) -> tables.Certificate:
    above = ManagedAuthorities(session, calling.org).get(said.authority)
    if above.sealed_key is None:
        raise Invalid.one("/requested/authority", "no_key", "its roots were imported without a key: it signs nothing")
    region = said.region or calling.settings.region
    wanted = Wanted(REQUESTED, said.domains, region, said.account, authority=above.id, life=said.life)
    return Certificates(session, calling.org).want(wanted)


def _ordered(session: Session, calling: Call, said: asked.AcmeOrdered) -> tables.Certificate:
    known = calling.settings.directories
    directory = said.directory or known[0]
    if directory not in known:
        raise Invalid.one("/acme/directory", "not_one_of", f"must be one of {', '.join(known)}")
    region = said.region or calling.settings.region
    wanted = Wanted(ACME, said.domains, region, said.account, directory=directory)
    return Certificates(session, calling.org).want(wanted)


def _imported(session: Session, calling: Call, request: Request, said: asked.Imported) -> tables.Certificate:
    pair, number = _pair(said, calling.now, "/imported"), uuid4()
    region = said.region or calling.settings.region
    certificates = Certificates(session, calling.org)
    row = certificates.want(Wanted(IMPORTED, pair.domains, region, said.account), number)
    certificates.show(row, pair, _sealed(calling, request, pair, row))
    return row


def _pair(said: asked.Pair, now: datetime, at: str) -> foreign.Pair:
    try:
        return foreign.pair(said.chain.encode(), said.private_key.encode(), now)
    except Invalid as refused:
        raise Invalid(each.under(at) for each in refused.violations) from None


def _sealed(calling: Call, request: Request, pair: foreign.Pair, row: tables.Certificate) -> bytes:
    sealed: bytes = request.app.state.sealer.seal(pair.key, sealing_context(calling.org, row.id))
    return sealed


@router.get("/certificates", operation_id="listCertificates", openapi_extra=says("CertificateList"))
async def list_certificates(calling: Calling, page: Paged) -> dict[str, Any]:
    """The org's certificates, by ARN."""

    def rows(session: Session, after: str | None, limit: int) -> list[tuple[str, dict[str, Any]]]:
        listed = Certificates(session, calling.org).list(after, limit)
        return [(row.arn, certificate_of(session, calling, row)) for row in listed]

    return await page.of(rows)


@router.get(PATH, operation_id="getCertificate", openapi_extra=says("Certificate"))
async def get_certificate(calling: Calling, certificate: str, response: Response) -> dict[str, Any]:
    """One certificate, by its id or its ARN."""

    def work(session: Session) -> tuple[int, dict[str, Any]]:
        row = Certificates(session, calling.org).get(certificate)
        return row.revision, certificate_of(session, calling, row)

    revision, said = await calling.run(work)
    conditions.etag(response, revision)
    return said


@router.put(PATH, operation_id="replaceCertificate", openapi_extra=says("Certificate", body="Pair"))
async def replace_certificate(
    calling: Calling, expected: Precondition, request: Request, certificate: str, response: Response
) -> dict[str, Any]:
    """Another chain and key for an imported certificate, under the same ARN: clusters get it at once."""
    said = asked.parse(asked.Pair, await bodies.read_json(request))
    pair = _pair(said, calling.now, "")

    def work(session: Session) -> tuple[int, dict[str, Any]]:
        certificates = Certificates(session, calling.org)
        sealed = _sealed(calling, request, pair, certificates.get(certificate))
        row = certificates.reimport(certificate, pair, sealed, expected)
        return row.revision, certificate_of(session, calling, row)

    revision, answer = await calling.run(work)
    conditions.etag(response, revision)
    return answer


@router.delete(PATH, operation_id="deleteCertificate", openapi_extra=says("DeletedCertificate"))
async def delete_certificate(calling: Calling, expected: Precondition, certificate: str) -> dict[str, Any]:
    """Forget a certificate that no mesh names, with its key."""
    await calling.run(lambda session: Certificates(session, calling.org).delete(certificate, expected))
    return {"deleted": certificate}
