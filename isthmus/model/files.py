"""files: the text of a definition file as what is in it: documents, whole meshes, or App Mesh calls.

YAML (several documents), JSON (one, or a list) and JSON lines are told apart by reading, not by a file's name. A key
that stands twice in one object is refused: both readers would silently drop the first.
"""

import json
from collections.abc import Iterator
from typing import Any

import yaml

from isthmus.errors import Invalid, Violation
from isthmus.model.calls import Call, change_of
from isthmus.model.definition import Definition, parse_definition
from isthmus.model.document import Document, parse_document
from isthmus.model.reading import Findings

Entry = Document | Definition | Call
"""What a file may hold. A mesh without its resources is a Definition without documents."""


def read_file(text: str) -> tuple[Entry, ...]:
    """Everything in the text, in its order. Raises Invalid with every violation.

    Where there is more than one entry, pointers begin with its number: `/0/spec/…`.
    """
    raw = decode(text)
    found = Findings()
    entries = [found.of(lambda e=entry, p=pointer: _entry(e, p)) for pointer, entry in _numbered(raw)]  # type: ignore[misc]
    found.refuse()
    return tuple(entry for entry in entries if entry is not None)


def _numbered(raw: list[Any]) -> Iterator[tuple[str, Any]]:
    for i, entry in enumerate(raw):
        yield (f"/{i}" if len(raw) > 1 else ""), entry


def _entry(raw: Any, pointer: str) -> Entry:  # noqa: ANN401 - decoded
    if isinstance(raw, dict) and "operation" in raw:
        return change_of(raw, pointer=pointer)
    if isinstance(raw, dict) and raw.get("kind") == "Mesh":
        try:
            return parse_definition(raw)
        except Invalid as invalid:
            raise Invalid(violation.under(pointer) for violation in invalid.violations) from None
    return parse_document(raw, pointer=pointer)


def decode(text: str) -> list[Any]:
    """The objects in the text, undigested. Raises Invalid `not_yaml` if it is none of the three forms."""
    try:
        return _decoded(text)
    except RecursionError:
        raise Invalid.one("", "too_deep", "is nested too deeply") from None


def _decoded(text: str) -> list[Any]:
    for reading in (_json, _json_lines):
        try:
            return reading(text)
        except json.JSONDecodeError:
            continue
    try:
        found = list(yaml.load_all(text, UniqueKeys))
    except yaml.YAMLError as error:
        raise Invalid.one("", "not_yaml", f"is neither JSON nor YAML: {error}") from None
    return [entry for entry in found if entry is not None]


def _json(text: str) -> list[Any]:
    found = json.loads(text, object_pairs_hook=_unique)
    return found if isinstance(found, list) else [found]


def _json_lines(text: str) -> list[Any]:
    return [json.loads(line, object_pairs_hook=_unique) for line in text.splitlines() if line.strip()]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        raise Invalid(_twice(key) for key in set(keys) if keys.count(key) > 1)
    return made


def _twice(key: object) -> Violation:
    return Violation("", "duplicate_key", f"the key {key!r} stands twice in one object")


class UniqueKeys(yaml.SafeLoader):
    """YAML's plain types, and no key twice (YAML 1.2 §3.2.1.1, which PyYAML does not enforce)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's
        plain = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        twice = {key for key in plain if plain.count(key) > 1}
        if twice:
            raise Invalid(_twice(key) for key in twice)
        return super().construct_mapping(node, deep)
