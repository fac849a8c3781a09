"""conditions: `If-Match` and `If-None-Match` as what the store is asked to check (RFC 9110 §13, contracts.md).

A thing's ETag is the revision that last changed it, so a writer who has not seen somebody else's change is stopped.
"""

import re
from typing import Annotated

from fastapi import Depends, Header, Response

from api.problems import Problem
from isthmus.store.changes import ABSENT, ANY, At, Expected

_ETAG = re.compile(r'(?:W/)?"(\d{1,18})"')


async def expected(
    if_match: Annotated[str | None, Header(description='`"<revision>"`, or `*`: it must be there.')] = None,
    if_none_match: Annotated[str | None, Header(description="`*`: it must not be there yet.")] = None,
) -> Expected:
    """What the writer says the thing's state is: 428 if nothing is said, 400 if it cannot be understood."""
    if if_match is None and if_none_match is None:
        detail = 'send If-Match: "<revision>" (or *) to change it, or If-None-Match: * to create it'
        raise Problem("precondition_required", detail)
    try:
        return said(if_match, if_none_match)
    except ValueError as e:
        raise Problem("bad_precondition", str(e)) from e


def said(match: str | None, none: str | None) -> Expected:
    """One of the two, understood; ValueError for both, and for what is no such condition."""
    if none is not None:
        if none.strip() != "*" or match is not None:
            raise ValueError("If-None-Match takes only * here, and not beside If-Match")
        return ABSENT
    assert match is not None
    if match.strip() == "*":
        return ANY
    found = _ETAG.fullmatch(match.strip())
    if found is None:
        raise ValueError(f'If-Match takes one ETag such as "42", or *; not {match}')
    return At(int(found[1]))


Precondition = Annotated[Expected, Depends(expected)]


def without_revision(expected: Expected, what: str) -> None:
    """400 for any condition but `If-Match: *`, on a thing that has no revision of its own."""
    if expected is not ANY:
        raise Problem("bad_precondition", f"{what} has no revision of its own: send If-Match: *")


def etag(response: Response, revision: int) -> None:
    """Say which revision last changed what is answered."""
    response.headers["ETag"] = f'"{revision}"'
