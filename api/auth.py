"""auth: who calls. A bearer token names its org; nothing else in a request does.

Forged, unknown, expired and revoked look the same: 401. The look-up runs before the org is known, so it goes through
one of the closed list of database functions (design §6).
"""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.problems import Problem
from isthmus.store.tokens import verify

_SCHEME = HTTPBearer(auto_error=False, description="An API token, `ist_pat_…` or `ist_svc_…`.")
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="isthmus"'}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is signed in: `name` is what histories show."""

    org: UUID
    token: UUID
    name: str


async def principal(
    request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_SCHEME)]
) -> Principal:
    """The caller; 401 without a valid token."""
    if given is None:
        raise Problem("not_signed_in", "send Authorization: Bearer <token>", _CHALLENGE)
    found = await request.app.state.database.lookup(lambda session: verify(session, given.credentials))
    if found is None:
        raise Problem("bad_token", "the token is unknown, expired or revoked", _CHALLENGE)
    return Principal(found.org, found.id, found.name)


Signed = Annotated[Principal, Depends(principal)]
