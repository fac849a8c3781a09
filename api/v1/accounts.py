"""accounts: the owners that App Mesh's interface knows, 12 digits each; a taken one is just that, whoever has it.

They cannot be deleted: names of meshes and of their resources contain them for ever.
"""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from api import bodies
from api.openapi import says
from api.v1.context import Calling, Paged
from api.v1.idempotency import once
from api.v1.shapes import parse_fields
from isthmus import values
from isthmus.errors import Invalid
from isthmus.model.reading import Findings
from isthmus.store import tables
from isthmus.store.accounts import Accounts

router = APIRouter(tags=["accounts"])
LONGEST = 100


def account_of(row: tables.Account) -> dict[str, Any]:
    """What we say of an account."""
    return {"id": row.id, "name": row.name}


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What a new account says of itself: `{id?, name}`."""

    name: str
    id: str | None

    @classmethod
    def parse(cls, raw: Any) -> "NewAccount":  # noqa: ANN401 - JSON
        """Invalid with every violation."""
        given, found = parse_fields(raw, required=("name",), optional=("id",)), Findings()
        name = found.of(lambda: _name(given["name"]))
        number = found.of(lambda: values.account(given["id"], "/id")) if "id" in given else None
        found.refuse()
        assert name, "what is wrong has been found"
        return cls(name, number)


def _name(text: str) -> str:
    """A name for people: one line. `isprintable` also keeps out what PostgreSQL's text cannot hold."""
    if not text.strip():
        raise Invalid.one("/name", "too_short", "must have at least 1 character")
    if len(text) > LONGEST:
        raise Invalid.one("/name", "too_long", f"must have at most {LONGEST} characters")
    if not text.isprintable():
        raise Invalid.one("/name", "not_printable", "must be one line of printable characters")
    return text


@router.post(
    "/accounts",
    operation_id="createAccount",
    status_code=201,
    openapi_extra=says("Account", body="NewAccount", at=201),
)
async def create_account(calling: Calling, request: Request) -> Response:
    """An account of that id, or of one chosen at random.

    The org's lowest number is the one meant where none is said. An id that is chosen never becomes it, one that is
    given may.
    """
    said = await bodies.read_json(request)
    new = NewAccount.parse(said)

    def work(session: Session) -> dict[str, Any]:
        return account_of(Accounts(session, calling.org).create(new.name, new.id))

    return await once(
        calling, request, said, work, status=201, location=lambda account: f"/v1/accounts/{account['id']}"
    )


@router.get("/accounts", operation_id="listAccounts", openapi_extra=says("AccountList"))
async def list_accounts(calling: Calling, page: Paged) -> dict[str, Any]:
    """The org's accounts, by number."""

    def rows(session: Session, after: str | None, limit: int) -> list[tuple[str, dict[str, Any]]]:
        return [(row.id, account_of(row)) for row in Accounts(session, calling.org).list(after, limit)]

    return await page.of(rows)


@router.get("/accounts/{account:segment}", operation_id="getAccount", openapi_extra=says("Account"))
async def get_account(calling: Calling, account: str) -> dict[str, Any]:
    """One account."""
    return await calling.run(lambda session: account_of(Accounts(session, calling.org).get(account)))
