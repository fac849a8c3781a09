"""output: one way to show an answer: a table for people, JSON for everything else."""

import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer


class Form(StrEnum):
    """How to print."""

    TABLE = "table"
    JSON = "json"


Output = Annotated[Form, typer.Option("--output", "-o", help="table, or json for machines")]


def show_json(value: Any) -> None:  # noqa: ANN401 - JSON
    """JSON on stdout and nothing else."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def show_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as they need, no frames: it greps and pastes."""
    cells = [[str(c) for c in head], *[["-" if c is None else str(c) for c in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for row in cells:
        sys.stdout.write("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() + "\n")
