"""What can go wrong, said so that the caller knows what to do next.

Six kinds and no HTTP: each shell (API, link, CLI) has one table from kind to its own code. Our own bugs are not in
this family; they are assertions or plain exceptions and become an answer that says nothing about our insides.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Self


class Kind(Enum):
    """What the caller can do about it."""

    INVALID = "fix the request"
    DENIED = "ask for permission"
    NOT_FOUND = "look elsewhere"
    CONFLICT = "read again, then retry"
    EXHAUSTED = "slow down"
    UNAVAILABLE = "retry as is"


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """One broken rule: where (a JSON pointer, RFC 6901, `""` is the whole document), which, and what to do."""

    pointer: str
    code: str
    detail: str

    def under(self, prefix: str) -> "Violation":
        """The same violation seen from a document that holds this one at `prefix`."""
        return Violation(prefix + self.pointer, self.code, self.detail)


class IsthmusError(Exception):
    """Something a caller can act on. `kind` says how, `code` is stable and documented."""

    kind: ClassVar[Kind]
    code: ClassVar[str]


class Invalid(IsthmusError):
    """The request breaks rules: all of them are listed, sorted, so that one round of mending is enough."""

    kind = Kind.INVALID
    code = "validation_failed"

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations = tuple(sorted(set(violations)))
        assert self.violations, "an Invalid without a violation is our bug"
        super().__init__("; ".join(f"{v.pointer or '/'}: {v.detail}" for v in self.violations))

    @classmethod
    def one(cls, pointer: str, code: str, detail: str) -> Self:
        """An Invalid with a single violation."""
        return cls([Violation(pointer, code, detail)])


class NotFound(IsthmusError):
    """There is no such thing, or it is another tenant's, which must look the same."""

    kind = Kind.NOT_FOUND
    code = "not_found"


class Denied(IsthmusError):
    """The caller is known and may not do this, or its credential proves nothing."""

    kind = Kind.DENIED
    code = "permission_denied"


class Conflict(IsthmusError):
    """The thing exists already, or is in a state that forbids this."""

    kind = Kind.CONFLICT
    code = "conflict"


class NameTaken(Conflict):
    """Create was asked for, and the name is in use."""

    code = "name_taken"


class InUse(Conflict):
    """Something else still refers to what is to be deleted. `users` names each, as `Kind name`."""

    code = "in_use"

    def __init__(self, what: str, users: Iterable[str]) -> None:
        self.users = tuple(sorted(users))
        super().__init__(f"{what} is still referred to by {', '.join(self.users)}")


class PlaintextInUse(Conflict):
    """What is to be strict is still called otherwise: `violations` name each call, and what would mend it.

    `silent`: clusters that have not said whether they have more.
    """

    code = "plaintext_in_use"

    def __init__(self, violations: Iterable[Violation], silent: Iterable[str]) -> None:
        self.violations, self.silent = tuple(sorted(set(violations))), tuple(silent)
        unknown = f"; nothing is known of {', '.join(self.silent)} yet" if self.silent else ""
        super().__init__(f"{len(self.violations)} calls would be cut off, listed in `errors`{unknown}")


class StaleRevision(Conflict):
    """Someone else changed the thing since the caller read it. `current` is its revision now, None if it is gone."""

    code = "revision_mismatch"

    def __init__(self, what: str, current: int | None) -> None:
        self.current = current
        state = "does not exist" if current is None else f"was last changed by revision {current}"
        super().__init__(f"{what} {state}, which is not what If-Match or If-None-Match asked for")


class QuotaExceeded(Conflict):
    """There would be more of something than the org may have: delete some, or have the quota raised."""

    code = "quota_exceeded"

    def __init__(self, quota: str, limit: int, what: str) -> None:
        self.quota, self.limit = quota, limit
        super().__init__(f"{what}: at most {limit} ({quota})")


class Exhausted(IsthmusError):
    """A rate is used up."""

    kind = Kind.EXHAUSTED
    code = "rate_exceeded"


class Unavailable(IsthmusError):
    """Something we stand on does not answer; the same request may work later."""

    kind = Kind.UNAVAILABLE
    code = "unavailable"
