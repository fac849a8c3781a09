"""loose: reading what a file may say in any shape: what has another shape than it should counts as not said.

Only for what decides names and membership; what becomes part of a document is checked by the model.
"""

from collections.abc import Mapping, Sequence
from typing import Any

NOTHING: Mapping[str, Any] = {}


def mapping(raw: Any, *path: str) -> Mapping[str, Any]:  # noqa: ANN401 - decoded
    """The object at a path, empty if there is none."""
    for member in path:
        raw = raw.get(member) if isinstance(raw, dict) else None
    return raw if isinstance(raw, dict) else NOTHING


def items(raw: Any) -> Sequence[Any]:  # noqa: ANN401 - decoded
    """The list, empty if it is none."""
    return raw if isinstance(raw, list) else ()


def string(raw: Any) -> str | None:  # noqa: ANN401 - decoded
    """The text, None if it is none or empty."""
    return raw if isinstance(raw, str) and raw else None
