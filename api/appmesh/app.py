"""app: one request from its bytes to its answer: authenticated, understood, carried out in one transaction, once.

A plain ASGI app below `/v20190125`: a route of Starlette's would see a decoded path, and SigV4 signs the raw one.
Key, signature, effect and kept answer share one transaction: a key that is deactivated is refused from the next
request on, and a client's retry finds either all of the first try or nothing.
"""

import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from api import bodies, problems
from api.appmesh import refusals, resources, tags
from api.appmesh.call import Call
from api.appmesh.refusals import Answered, Refusal
from api.appmesh.wire import operation_of, parameters
from api.cursors import Cursors
from api.problems import Problem
from api.requests import Receive, Scope, Send
from isthmus import sigv4
from isthmus.adapters.sealer import Sealer
from isthmus.errors import IsthmusError
from isthmus.model.calls import asked_of
from isthmus.model.operations.table import Operation
from isthmus.store import access_keys
from isthmus.store.access_keys import Signer
from isthmus.store.database import AsyncDatabase
from isthmus.store.idempotency import Answer, IdempotencyKeys

SERVICE = "appmesh"
KEYS_KEPT = 10_000
_ACTS = {**resources.ACTS, **tags.ACTS}

log = logging.getLogger("isthmus.appmesh")


@dataclass(frozen=True, slots=True)
class Received:
    """A request whose signature looks whole, with what it would have to be a signature of."""

    method: str
    path: str
    query: str
    body: bytes
    claim: sigv4.Claim
    to_sign: str
    now: datetime


class AppMesh:
    """The app. It shares database, keys and cursors with the rest of the API."""

    def __init__(self, database: AsyncDatabase, sealer: Sealer, cursors: Cursors) -> None:
        self._database, self._sealer, self._cursors = database, sealer, cursors
        self._orgs: dict[str, UUID] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        name = refusals.request_id(request.state.request_id)
        try:
            received = await self._received(request)
            org = await self._org_of(received.claim.key)
            body = await self._database.run(org, lambda session: self._done(session, org, received))
            answer: Response = Response(body, 200, {"x-amzn-requestid": name}, "application/json")
        except (IsthmusError, Problem, Answered) as error:
            answer = refusals.answer(refusals.refusal_of(error), name)
        except Exception as error:  # noqa: BLE001 - clients can read no other answer than ours
            answer = refusals.answer(_ours(name, error), name)
        await answer(scope, receive, send)

    async def _received(self, request: Request) -> Received:
        """The request, read whole; sigv4.Refused if it cannot be anybody's."""
        now, scope = datetime.now(UTC), request.scope
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        claim = sigv4.claim_of(headers, SERVICE, now)
        bodies.refuse_other_media(request)
        body = await bodies.read(request)
        path, query = scope["raw_path"].decode("latin-1").partition("?")[0], scope["query_string"].decode("latin-1")
        target = sigv4.Target(request.method, path, query, sigv4.body_sha256(headers, body))
        to_sign = sigv4.string_to_sign(claim, target, headers)
        return Received(request.method, path, query, body, claim, to_sign, now)

    async def _org_of(self, key: str) -> UUID:
        """Whose a key is; UnknownKey. Kept, because it never changes; whether the key is active is asked each time."""
        org = self._orgs.get(key)
        if org is None:
            org = await self._database.lookup(lambda session: access_keys.org_of(session, key))
            if org is None:
                raise _unknown()
            if len(self._orgs) >= KEYS_KEPT:
                self._orgs.clear()
            self._orgs[key] = org
        return org

    def _done(self, session: Session, org: UUID, received: Received) -> bytes:
        """The answer's body, after the effect."""
        claim = received.claim
        signer = access_keys.signer(session, org, claim.key, self._sealer)
        if signer is None:
            raise _unknown()
        if not sigv4.holds(signer.secret, claim, received.to_sign):
            raise sigv4.Mismatch
        return self._once(session, signer, received)

    def _once(self, session: Session, signer: Signer, received: Received) -> bytes:
        """What the operation answers; where its `clientToken` came before, what it answered then."""
        operation = operation_of(received.method, received.path)
        if operation is None:
            raise Answered(refusals.UNKNOWN)
        body = bodies.decoded(received.body) if received.body else {}
        params = parameters(operation, received.path, received.query, body)
        asked, claim = asked_of(operation, params), received.claim
        call = Call(
            session, signer.org, signer.account, claim.region, claim.key, received.now, self._cursors, operation, asked
        )
        token = getattr(asked, "client_token", None)
        if not token:
            return _act(call)
        keys = IdempotencyKeys(session, signer.org, f"appmesh/{signer.account}/{claim.region}")
        key, digest = hashlib.sha256(token.encode()).hexdigest(), _digest(operation, params)
        kept = keys.begin(key, digest, wait=True)
        if kept is None:
            kept = Answer(200, {}, _act(call))
            keys.keep(key, digest, kept)
        return kept.body


def _ours(name: str, error: Exception) -> Refusal:
    """What is no fault of the caller's."""
    if isinstance(error, problems.AWAY) and problems.away(error):
        log.warning("request %s: the database does not answer: %s", name, error)
        return refusals.AWAY
    log.error("request %s failed", name, exc_info=error)
    return refusals.INTERNAL


def _unknown() -> sigv4.UnknownKey:
    return sigv4.UnknownKey("The security token included in the request is invalid.")


def _act(call: Call) -> bytes:
    return _ACTS[call.operation.verb](call).model_dump_json(by_alias=True, exclude_unset=True).encode()


def _digest(operation: Operation, params: dict[str, Any]) -> bytes:
    said = {name: value for name, value in params.items() if name != "clientToken"}
    return hashlib.sha256(json.dumps([operation.name, said], sort_keys=True).encode()).digest()
