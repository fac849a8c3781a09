"""refusals: what went wrong, in the words that AWS's clients act on: an exception's name, its status, a message.

One table from our errors to App Mesh's ten exceptions (appmesh.md §2.3). Clients look at `x-amzn-errortype`; the
message is for people, so it names every violation.
"""

from dataclasses import dataclass
from uuid import UUID

from fastapi.responses import JSONResponse

from api.problems import Problem
from isthmus import sigv4
from isthmus.errors import Invalid, IsthmusError, Kind
from isthmus.model.operations.table import ERRORS

_OF_KIND = {
    Kind.INVALID: "BadRequestException",
    Kind.DENIED: "ForbiddenException",
    Kind.NOT_FOUND: "NotFoundException",
    Kind.CONFLICT: "ConflictException",
    Kind.EXHAUSTED: "TooManyRequestsException",
    Kind.UNAVAILABLE: "ServiceUnavailableException",
}
_OF_CODE = {
    "in_use": "ResourceInUseException",
    "quota_exceeded": "LimitExceededException",
    "vips_exhausted": "LimitExceededException",
    "too_many_tags": "TooManyTagsException",
}
_OF_STATUS = {413: "RequestEntityTooLargeException", 415: "UnsupportedMediaTypeException"}
_BEYOND = {
    "IncompleteSignatureException": 400,
    "RequestEntityTooLargeException": 413,
    "UnknownOperationException": 404,
    "UnsupportedMediaTypeException": 415,
}
"""What AWS's front door says, before any service: not in App Mesh's model."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An exception's name and what it says."""

    name: str
    message: str

    @property
    def status(self) -> int:
        """Signatures that prove nothing are 403, like everything that AWS's front door has no own status for."""
        return ERRORS.get(self.name) or _BEYOND.get(self.name, 403)


INTERNAL = Refusal("InternalServerErrorException", "Something of ours is broken; the request id leads us to it.")
AWAY = Refusal("ServiceUnavailableException", "The database does not answer; nothing was changed.")
UNKNOWN = Refusal("UnknownOperationException", "There is no such operation.")


class Answered(Exception):
    """A refusal that no error of ours stands for."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.message)


def refusal_of(error: IsthmusError | Problem | Answered) -> Refusal:
    """What to answer."""
    match error:
        case Answered():
            return error.refusal
        case Problem():
            return Refusal(_OF_STATUS.get(error.status, "BadRequestException"), error.detail)
        case Invalid():
            return _invalid(error)
        case sigv4.Refused():
            return Refusal(error.code, str(error))
    return Refusal(_OF_CODE.get(error.code, _OF_KIND[error.kind]), str(error))


def _invalid(error: Invalid) -> Refusal:
    """Every violation; but what is only not there, or was said before with this token, has exceptions of its own."""
    codes = {violation.code for violation in error.violations}
    if codes == {"dangling_reference"}:
        return Refusal("NotFoundException", "; ".join(v.detail for v in error.violations))
    if "idempotency_key_reused" in codes:
        return Refusal("ConflictException", "This clientToken was used for another request.")
    return Refusal("BadRequestException", str(error))


def answer(refusal: Refusal, request_id: str) -> JSONResponse:
    """The answer."""
    headers = {"x-amzn-errortype": refusal.name, "x-amzn-requestid": request_id}
    if refusal.name in ("ServiceUnavailableException", "TooManyRequestsException"):
        headers["Retry-After"] = "1"
    return JSONResponse({"message": refusal.message}, refusal.status, headers)


def request_id(ours: str) -> str:
    """Our id in AWS's form: `req_<32 hexadecimal digits>` is the same number as a UUID."""
    return str(UUID(hex=ours.removeprefix("req_")))
