"""idempotency: a POST sent again with the same `Idempotency-Key` gets the same answer and has no second effect.

The answer is kept in the transaction of the effect, and sealed, because some answers show a secret once. Bodies are
compared as values: a client that writes the same JSON in another order has said the same.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.problems import Problem
from api.v1.context import Call
from isthmus.adapters.sealer import Sealer
from isthmus.errors import Invalid
from isthmus.store.idempotency import Answer, IdempotencyKeys

HEADER = "Idempotency-Key"
LONGEST = 255


async def once(
    calling: Call,
    request: Request,
    said: Any,  # noqa: ANN401 - JSON
    work: Callable[[Session], Mapping[str, Any]],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    location: Callable[[Mapping[str, Any]], str] | None = None,
) -> Response:
    """What `work` gives, as JSON; where the caller named the request and it came before, what it gave then.

    `location` says where the thing is that was made, for ids that are known only then.
    """
    key = request.headers.get(HEADER)

    def first(session: Session) -> Response:
        made = work(session)
        where = {} if location is None else {"Location": location(made)}
        return JSONResponse(made, status, {**(headers or {}), **where})

    if key is None:
        return await calling.run(first)
    if not 1 <= len(key) <= LONGEST:
        raise Invalid.one(f"/header/{HEADER}", "too_long", f"must have 1 to {LONGEST} characters")
    kept = _Kept(calling, request.app.state.sealer, key, _digest(request, said))
    return await calling.run(lambda session: kept.answer(session) or kept.keep(session, first(session)))


def _digest(request: Request, said: Any) -> bytes:  # noqa: ANN401 - JSON
    return hashlib.sha256(json.dumps([request.method, request.url.path, said], sort_keys=True).encode()).digest()


class _Kept:
    """The answers of one principal under one key."""

    def __init__(self, calling: Call, sealer: Sealer, key: str, digest: bytes) -> None:
        self._org, self._principal = calling.org, str(calling.principal.token)
        self._sealer, self._key, self._digest = sealer, key, digest

    @property
    def _context(self) -> str:
        return f"idempotency/{self._org}/{self._principal}/{self._key}"

    def _keys(self, session: Session) -> IdempotencyKeys:
        return IdempotencyKeys(session, self._org, self._principal)

    def answer(self, session: Session) -> Response | None:
        """What was answered before, if anything."""
        try:
            found = self._keys(session).begin(self._key, self._digest)
        except Invalid as e:
            raise Problem("idempotency_key_reused", e.violations[0].detail) from e
        if found is None:
            return None
        body = self._sealer.open(found.body, self._context)
        headers = {**found.headers, "Idempotent-Replayed": "true"}
        return Response(body, found.status, headers, "application/json")

    def keep(self, session: Session, answer: Response) -> Response:
        """Keep what is answered now."""
        body = self._sealer.seal(bytes(answer.body), self._context)
        named = {k: v for k, v in answer.headers.items() if k not in ("content-length", "content-type")}
        self._keys(session).keep(self._key, self._digest, Answer(answer.status_code, named, body))
        return answer
