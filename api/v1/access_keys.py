"""access keys: what AWS's clients sign their requests to the App Mesh interface with; a secret is shown once.

A key says which account its calls act for. It has no revision, so `If-Match: *` is all that a delete can ask for.
"""

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from api import bodies, conditions
from api.conditions import Precondition
from api.openapi import says
from api.v1.context import Call, Calling, Paged
from api.v1.idempotency import once
from api.v1.shapes import parse_fields
from isthmus import values
from isthmus.errors import Invalid
from isthmus.store import tables
from isthmus.store.access_keys import AccessKeys, place
from isthmus.store.accounts import Accounts

router = APIRouter(tags=["access keys"])
PATH = "/access-keys/{access_key:segment}"
ACTIVE, INACTIVE = "active", "inactive"


def key_of(row: tables.AccessKey) -> dict[str, Any]:
    """What we say of a key: never its secret."""
    return {
        "access_key_id": row.id,
        "account": row.account_id,
        "status": ACTIVE if row.active else INACTIVE,
        "created_at": row.created_at.isoformat(),
    }


def _keys(session: Session, calling: Call, request: Request) -> AccessKeys:
    return AccessKeys(session, calling.org, request.app.state.sealer)


@router.post(
    "/access-keys",
    operation_id="createAccessKey",
    status_code=201,
    openapi_extra=says("NewAccessKey", body="AccessKeyRequest", at=201),
)
async def create_access_key(calling: Calling, request: Request) -> Response:
    """A key that acts for an account, by default the org's first. Its secret is in this answer and in no other."""
    said = await bodies.read_json(request, empty={})
    account = parse_fields(said, required=(), optional=("account",)).get("account")
    if account is not None:
        values.account(account)

    def work(session: Session) -> dict[str, Any]:
        keys = _keys(session, calling, request)
        made = keys.create(Accounts(session, calling.org).default().id if account is None else account)
        return key_of(keys.get(made.id)) | {"secret_access_key": made.secret}

    return await once(
        calling, request, said, work, status=201, location=lambda key: f"/v1/access-keys/{key['access_key_id']}"
    )


@router.get("/access-keys", operation_id="listAccessKeys", openapi_extra=says("AccessKeyList"))
async def list_access_keys(calling: Calling, page: Paged, request: Request) -> dict[str, Any]:
    """The org's keys, oldest first."""

    def rows(session: Session, after: str | None, limit: int) -> list[tuple[str, dict[str, Any]]]:
        return [(place(row), key_of(row)) for row in _keys(session, calling, request).list(after, limit)]

    return await page.of(rows)


@router.get(PATH, operation_id="getAccessKey", openapi_extra=says("AccessKey"))
async def get_access_key(calling: Calling, request: Request, access_key: str) -> dict[str, Any]:
    """One key, without its secret."""
    return await calling.run(lambda s: key_of(_keys(s, calling, request).get(access_key)))


@router.patch(PATH, operation_id="changeAccessKey", openapi_extra=says("AccessKey", body="AccessKeyChange"))
async def change_access_key(calling: Calling, request: Request, access_key: str) -> Response:
    """Switch a key off, or on again: the next request that is signed with it is refused, or accepted."""
    said = await bodies.read_json(request)
    status = parse_fields(said, required=("status",))["status"]
    if status not in {ACTIVE, INACTIVE}:
        raise Invalid.one("/status", "not_one_of", f"must be {ACTIVE} or {INACTIVE}")

    def work(session: Session) -> dict[str, Any]:
        keys = _keys(session, calling, request)
        return key_of(keys.activate(access_key) if status == ACTIVE else keys.deactivate(access_key))

    return await once(calling, request, said, work)


@router.delete(PATH, operation_id="deleteAccessKey", openapi_extra=says("DeletedAccessKey"))
async def delete_access_key(
    calling: Calling, expected: Precondition, request: Request, access_key: str
) -> dict[str, Any]:
    """Forget a key and its secret, for ever; the last one too."""
    conditions.without_revision(expected, "an access key")
    await calling.run(lambda session: _keys(session, calling, request).delete(access_key))
    return {"deleted": access_key}
