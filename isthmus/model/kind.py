"""kind: what one kind of document is: its spec, its place in URLs, what it refers to, its rules.

A kind is one file in `isthmus/model/kinds`; nothing else lists them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from isthmus.errors import Violation
from isthmus.model.key import PARENTS, Key
from isthmus.model.structure import Structure

Spec = TypeVar("Spec", bound=Structure)

Reference = tuple[str, Key]
"""Where a document says it (a JSON pointer into the document), and what it refers to."""

Look = Callable[[Key], Structure | None]
"""The spec that stands under a key in the same mesh."""


def _refers_to_nothing(_key: Key, _spec: Structure) -> Iterable[Reference]:
    return ()


def _no_rules(_key: Key, _spec: Structure, _look: Look) -> Iterable[Violation]:
    return ()


def _no_rules_among(_specs: Iterable[tuple[Key, Structure]]) -> Iterable[tuple[Key, Violation]]:
    return ()


@dataclass(frozen=True)
class ResourceKind(Generic[Spec]):
    """`segment` is its collection in `/v1` URLs, below `parent_segment` and the parent's name where it has one.

    `references` must exist, beside the parent; `rules` are those that need other documents; `among` compares all
    documents of the kind.
    A `lasting` kind outlives what it names (see `kinds/topology.py`): its references are demanded when it is written,
    and neither block a delete nor fail afterwards.
    """

    name: str
    spec: type[Spec]
    segment: str
    parent_segment: str | None = None
    references: Callable[[Key, Spec], Iterable[Reference]] = _refers_to_nothing
    rules: Callable[[Key, Spec, Look], Iterable[Violation]] = _no_rules
    among: Callable[[Iterable[tuple[Key, Spec]]], Iterable[tuple[Key, Violation]]] = _no_rules_among
    lasting: bool = False

    @property
    def parent(self) -> str | None:
        """The kind within which its names are unique, where that is not the mesh."""
        return PARENTS.get(self.name)
