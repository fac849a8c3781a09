"""conditions: `If-Match` and `If-None-Match` as what the store is asked to check (RFC 9110 §13, contracts.md).

A thing's ETag is the revision that last changed it, so a writer who has not seen somebody else's change is stopped.
"""

import re

from fastapi import Request, Response

from api.problems import Problem
from isthmus.store.revisions import ABSENT, ANY, At, Expected

_ETAG = re.compile(r'(?:W/)?"(\d{1,18})"')


def expected(request: Request) -> Expected:
    """What the writer says the thing's state is: 428 if nothing is said, 400 if it cannot be understood."""
    match, none = request.headers.get("if-match"), request.headers.get("if-none-match")
    if match is None and none is None:
        detail = 'send If-Match: "<revision>" (or *) to change it, or If-None-Match: * to create it'
        raise Problem(428, "precondition_required", detail)
    if none is not None:
        if none.strip() != "*" or match is not None:
            raise Problem(400, "bad_precondition", "If-None-Match takes only * here, and not beside If-Match")
        return ABSENT
    assert match is not None
    if match.strip() == "*":
        return ANY
    found = _ETAG.fullmatch(match.strip())
    if found is None:
        raise Problem(400, "bad_precondition", f'If-Match takes one ETag such as "42", or *; not {match}')
    return At(int(found[1]))


def etag(response: Response, revision: int) -> None:
    """Say which revision last changed what is answered."""
    response.headers["ETag"] = f'"{revision}"'
