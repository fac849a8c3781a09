"""key: what a document is called within its mesh."""

from collections.abc import Mapping
from typing import NamedTuple, Self

PARENTS: Mapping[str, str] = {"Route": "VirtualRouter", "GatewayRoute": "VirtualGateway"}
"""The kinds whose names are unique within a parent only. App Mesh's list, and closed."""


class Key(NamedTuple):
    """A document's kind and name, and for routes the router or gateway that they belong to."""

    kind: str
    name: str
    parent: str | None = None

    @property
    def text(self) -> str:
        """`name`, or `parent/name`; a slash in the parent is escaped, so that two keys never share a text."""
        return self.name if self.parent is None else f"{_escaped(self.parent)}/{self.name}"

    @classmethod
    def of(cls, kind: str, text: str) -> Self:
        """The inverse of `text`."""
        if kind not in PARENTS:
            return cls(kind, text)
        parent, _, name = text.partition("/")
        return cls(kind, name, _plain(parent))

    def __str__(self) -> str:
        return f"{self.kind} {self.text}"


def _escaped(parent: str) -> str:
    return parent.replace("%", "%25").replace("/", "%2F")


def _plain(parent: str) -> str:
    return parent.replace("%2F", "/").replace("%25", "%")
