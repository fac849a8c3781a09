"""certificate schemas: what `/v1/certificates` and `/v1/certificate-authorities` give, by name, for OpenAPI.

What they take comes from the model's own classes (`isthmus.model.certificates`).
"""

from typing import Any

_TEXT: dict[str, Any] = {"type": "string"}
_TEXT_OR_NOT: dict[str, Any] = {"type": ["string", "null"]}
_NUMBER_OR_NOT: dict[str, Any] = {"type": ["integer", "null"]}
_TIME: dict[str, Any] = {"type": "string", "format": "date-time"}
_TIME_OR_NOT: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
_WARNING: dict[str, Any] = _NUMBER_OR_NOT | {"description": "It ends within so many days: 60, 30 or 7."}
_STATE: dict[str, Any] = _TEXT | {"description": "pending, issued, failed or expired; more may come"}


def _all(**members: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON schema
    """An object of which every member is there."""
    return {"type": "object", "properties": members, "required": list(members)}


def _page(of: str) -> dict[str, Any]:
    listed = {"type": "array", "items": {"$ref": f"#/components/schemas/{of}"}}
    return _all(items=listed, next_page_token=_TEXT_OR_NOT)


CERTIFICATES: dict[str, dict[str, Any]] = {
    "Certificate": _all(
        arn=_TEXT, id=_TEXT, account=_TEXT, region=_TEXT, source=_TEXT, domains={"type": "array", "items": _TEXT},
        authority=_TEXT_OR_NOT, directory=_TEXT_OR_NOT, life=_NUMBER_OR_NOT, state=_STATE, reason=_TEXT_OR_NOT,
        warning=_WARNING, not_before=_TIME_OR_NOT, not_after=_TIME_OR_NOT, renew_at=_TIME_OR_NOT, chain=_TEXT_OR_NOT,
        serial=_TEXT_OR_NOT, generation={"type": "integer"}, created_at=_TIME,
    ),
    "CertificateList": _page("Certificate"),
    "CertificateAuthority": _all(
        arn=_TEXT, id=_TEXT, account=_TEXT, region=_TEXT, name=_TEXT, signs={"type": "boolean"}, roots=_TEXT,
        state=_STATE, warning=_WARNING, not_after=_TIME, created_at=_TIME,
    ),
    "CertificateAuthorityList": _page("CertificateAuthority"),
    "DeletedCertificate": _all(deleted=_TEXT),
}  # fmt: skip
