"""problems: every answer that is not what was asked for, as RFC 9457 `application/problem+json`.

One table from our kinds of error to HTTP; routes raise, this file answers. What is our own bug becomes a 500 that says
nothing but its request id. Other tenants' things are 404, never 403: existence must not leak.
"""

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from isthmus.errors import (
    InUse,
    Invalid,
    IsthmusError,
    Kind,
    PlaintextInUse,
    QuotaExceeded,
    StaleRevision,
    Unavailable,
    Violation,
)
from isthmus.store.meshes import AmbiguousMesh

MEDIA_TYPE = "application/problem+json"
DOCS = "/docs/problems#"
STATUS: Mapping[Kind, int] = {
    Kind.INVALID: 422,
    Kind.DENIED: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.EXHAUSTED: 429,
    Kind.UNAVAILABLE: 503,
}
RETRYABLE = frozenset({429, 503})
PASSING = ("08", "40", "53", "55P03", "57")
"""PostgreSQL's classes for: connection lost, deadlock, out of resources, lock not had in time, stopped from outside."""
AWAY = (DBAPIError, PoolTimeout, OSError)
"""What is raised when the database is away, and when it is not: `away` tells them apart."""
ONLY_HTTP: Mapping[str, tuple[int, str]] = {
    "not_json": (400, "The body is not JSON, or not UTF-8."),
    "bad_precondition": (400, "`If-Match` or `If-None-Match` cannot be understood."),
    "bad_request": (400, "The request cannot be understood."),
    "not_signed_in": (401, "There is no bearer token."),
    "bad_token": (401, "The token is forged, unknown, expired or revoked."),
    "method_not_allowed": (405, "There is such a path, but not with this method."),
    "body_too_large": (413, "The body has more than 1 MiB."),
    "unsupported_media_type": (415, "The body is not `application/json`."),
    "idempotency_key_reused": (422, "This `Idempotency-Key` came before with another request."),
    "precondition_required": (428, "Say `If-Match` to change or delete, `If-None-Match: *` to create."),
    "internal_error": (500, "Something of ours is broken; the request id leads us to it."),
}
"""Codes of what only HTTP knows: status and meaning. The core's codes are those of its errors."""

log = logging.getLogger("isthmus.api")


class Problem(Exception):
    """An answer that only HTTP knows: a missing precondition, a body that is too large, no sign-in."""

    def __init__(self, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.code, self.detail, self.headers = ONLY_HTTP[code][0], code, detail, dict(headers or {})
        super().__init__(detail)


def answer(
    request: Request,
    status: int,
    code: str,
    detail: str,
    violations: tuple[Violation, ...] = (),
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> JSONResponse:
    """One problem document."""
    body: dict[str, Any] = {
        "type": DOCS + code,
        "title": code.replace("_", " "),
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        "code": code,
        "request_id": getattr(request.state, "request_id", ""),
        "retryable": status in RETRYABLE,
    }
    if violations:
        body["errors"] = [{"pointer": v.pointer, "code": v.code, "detail": v.detail} for v in violations]
    return JSONResponse(body | more, status, dict(headers or {}), MEDIA_TYPE)


async def _ours(request: Request, error: Exception) -> JSONResponse:
    """An error of the core."""
    assert isinstance(error, IsthmusError)
    status = STATUS[error.kind]
    match error:
        case Invalid():
            return answer(request, status, error.code, "the request breaks rules, listed in `errors`", error.violations)
        case StaleRevision():
            etag = {} if error.current is None else {"ETag": f'"{error.current}"'}
            return answer(request, 412, error.code, str(error), headers=etag, current_revision=error.current)
    violations = error.violations if isinstance(error, PlaintextInUse) else ()
    return answer(request, status, error.code, str(error), violations, **_more(error))


def _more(error: IsthmusError) -> dict[str, Any]:
    """What only this kind of error says."""
    match error:
        case InUse():
            return {"used_by": list(error.users)}
        case PlaintextInUse():
            return {"silent_clusters": list(error.silent)}
        case QuotaExceeded():
            return {"quota": error.quota, "limit": error.limit}
        case AmbiguousMesh():
            return {"refs": list(error.refs)}
    return {}


async def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return answer(request, error.status, error.code, error.detail, headers=error.headers)


async def _http(request: Request, error: Exception) -> JSONResponse:
    """What the router itself refuses: no such path, no such method."""
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
    return answer(request, error.status_code, code, str(error.detail), headers=error.headers)


async def _parameters(request: Request, error: Exception) -> JSONResponse:
    """Path and query parameters that FastAPI refuses, in the same shape as everything else."""
    assert isinstance(error, RequestValidationError)
    found = (Violation("/" + "/".join(map(str, e["loc"])), "invalid_parameter", e["msg"]) for e in error.errors())
    return await _ours(request, Invalid(found))


async def _database(request: Request, error: Exception) -> JSONResponse:
    """Nothing was stored, and the same request may work later."""
    if not away(error):
        raise error
    log.warning("request %s: the database does not answer: %s", getattr(request.state, "request_id", ""), error)
    return answer(request, 503, Unavailable.code, "the database does not answer", headers={"Retry-After": "1"})


def away(error: Exception) -> bool:
    """Whether one of `AWAY` says that PostgreSQL is away, restarting or overloaded.

    Everything else that a database can say is our bug. asyncpg passes on a socket's own errors, and nothing else that
    a request does can raise an OSError.
    """
    return not isinstance(error, DBAPIError) or error.connection_invalidated or _passing(error)


def _passing(error: DBAPIError) -> bool:
    """Whether PostgreSQL's code (its manual, appendix A) says that this is no one's fault and will pass."""
    return str(getattr(error.orig, "sqlstate", "")).startswith(PASSING)


async def _bug(request: Request, error: Exception) -> JSONResponse:
    """Answered outside of everything that `api.requests` wraps, so the id is put on here."""
    name = getattr(request.state, "request_id", "")
    log.error("request %s failed", name, exc_info=error)
    headers = {"Request-Id": name, "Cache-Control": "no-store"}
    return answer(request, 500, "internal_error", ONLY_HTTP["internal_error"][1], headers=headers)


def install(app: FastAPI) -> None:
    """Answer every error of this app with a problem document."""
    app.add_exception_handler(IsthmusError, _ours)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _parameters)
    for kind in AWAY:
        app.add_exception_handler(kind, _database)
    app.add_exception_handler(Exception, _bug)
