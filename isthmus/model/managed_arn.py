"""managed ARNs: how managed certificates and authorities are called, and where a document names them.

The form is ACM's and Private CA's, because that is what App Mesh's specs hold; what they name is ours.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from isthmus.model.document import Document

_ONE, _SEVERAL = "certificateArn", "certificateAuthorityArns"
_LISTED = "certificates"


def certificate_arn(region: str, account: str, number: UUID) -> str:
    """A managed certificate's."""
    return f"arn:aws:acm:{region}:{account}:certificate/{number}"


def authority_arn(region: str, account: str, number: UUID) -> str:
    """A managed authority's."""
    return f"arn:aws:acm-pca:{region}:{account}:certificate-authority/{number}"


def named(document: Document) -> Iterator[tuple[str, str]]:
    """Every ARN of a certificate or an authority that a document names, with the pointer to it."""
    several = (_SEVERAL, _LISTED) if document.key.kind == "ListenerCertificates" else (_SEVERAL,)
    yield from _within(document.spec.json_object(), "/spec", several)


def _within(value: Any, pointer: str, several: tuple[str, ...]) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        for i, each in enumerate(value):
            yield from _within(each, f"{pointer}/{i}", several)
    elif isinstance(value, dict):
        for member, inner in value.items():
            at = f"{pointer}/{member}"
            if member == _ONE and isinstance(inner, str):
                yield at, inner
            elif member in several and isinstance(inner, list):
                yield from ((f"{at}/{i}", arn) for i, arn in enumerate(inner))
            else:
                yield from _within(inner, at, several)
