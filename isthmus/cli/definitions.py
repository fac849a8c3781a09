"""definitions: files that say what a mesh is to be, one or a folder of them; what is wrong is told with its place."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.errors import Invalid, Violation

SUFFIXES = (".yaml", ".yml", ".json", ".jsonl")
File = Annotated[
    Path,
    typer.Option("--file", "-f", help="a definition file, or a folder of them (YAML, JSON, JSON lines)", exists=True),
]


def files(path: Path) -> list[Path]:
    """The files to read, in the order of their names."""
    return sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file()) if path.is_dir() else [path]


def read(path: Path) -> list[Any]:
    """Every entry (`isthmus.model.files.Entry`) in a file. Violations name the file and the document."""
    from isthmus.model.files import decode, read_file  # heavy, only when run

    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as wrong:
        raise Invalid.one(f"{path}:", "not_utf8", f"is not UTF-8: {wrong.reason} at byte {wrong.start}") from None
    try:
        return list(read_file(text))
    except Invalid as invalid:
        found = invalid.violations
    if all(not violation.pointer for violation in found):
        raise Invalid(violation.under(f"{path}:") for violation in found)
    raw = decode(text)
    raise Invalid(_placed(violation, path, raw if len(raw) > 1 else raw[0]) for violation in found)


def _placed(violation: Violation, path: Path, raw: Any) -> Violation:  # noqa: ANN401 - decoded
    label = _label(raw, violation.pointer)
    return Violation(f"{path}:{violation.pointer}", violation.code, violation.detail + (f" ({label})" if label else ""))


def _label(raw: Any, pointer: str) -> str:  # noqa: ANN401 - decoded
    """The innermost document or App Mesh call that a pointer leads into, as far as it says what it is."""
    label = _named(raw)
    for step in pointer.split("/")[1:]:
        if isinstance(raw, list) and step.isdigit() and int(step) < len(raw):
            raw = raw[int(step)]
        elif isinstance(raw, dict):
            raw = raw.get(step.replace("~1", "/").replace("~0", "~"))
        label = _named(raw) or label
    return label


def _named(raw: Any) -> str:  # noqa: ANN401 - decoded
    if not isinstance(raw, Mapping):
        return ""
    if "operation" in raw:
        return str(raw["operation"])
    return f"{raw['kind']} {raw['name']}" if "kind" in raw and "name" in raw else ""
