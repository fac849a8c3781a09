"""listener_certificates: the further certificates of a listener, found from the listener and not from their document.

A listener asks by what it is (whose, which port), so it depends on its own list and on no other.
"""

from collections.abc import Iterator
from typing import Any

from isthmus.model.kinds.listener_certificates import ListenerCertificatesSpec

KIND = "ListenerCertificates"
FURTHER = "further certificates of a listener"


def place(kind: str, name: str, port: int) -> str:
    """A listener as `Said.certificates` knows it; `kind` is VirtualNode or VirtualGateway."""
    return f"{kind}/{port}/{name}"


class ByListener:
    """The lists by listener, put one document at a time."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}
        self._lists: dict[str, dict[str, tuple[str, ...]]] = {}

    def put(self, document: str, spec: Any) -> Iterator[tuple[str, tuple[str, ...]]]:  # noqa: ANN401 - or `ABSENT`
        """A document as it is now; every listener whose list may have changed, with what it has now."""
        before = self._places.pop(document, None)
        if before is not None:
            del self._lists[before][document]
            yield before, self._listed(before)
        if isinstance(spec, ListenerCertificatesSpec):
            now = self._places[document] = place(spec.of.kind, spec.of.name, spec.port)
            self._lists.setdefault(now, {})[document] = tuple(spec.certificates)
            yield now, self._listed(now)

    def _listed(self, at: str) -> tuple[str, ...]:
        """Of all documents of one listener: while one takes another's place, there are two for a moment."""
        return tuple(dict.fromkeys(arn for _, arns in sorted(self._lists[at].items()) for arn in arns))
