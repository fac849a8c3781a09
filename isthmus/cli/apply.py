"""`isthmus apply -f FILE|DIR`: native documents, whole meshes, and App Mesh API calls one a line, through the API.

Native documents of one mesh go in one request, so they are one revision; App Mesh calls are applied in their order,
because that is what they mean. What is already so is left alone.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.output import Form, Output

SUFFIXES = (".yaml", ".yml", ".json", ".jsonl")


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("apply")
    def apply(
        file: Annotated[Path, typer.Option("--file", "-f", help="a file, or a directory of them", exists=True)],
        mesh: Annotated[str | None, typer.Option(help="the mesh that loose documents belong to")] = None,
        output: Output = Form.TABLE,
    ) -> None:
        """Bring meshes to what the files say."""
        from isthmus.cli import applying  # heavy, only when run
        from isthmus.cli.client import Client

        entries = [entry for path in _files(file) for entry in applying.read(path)]
        with Client.found() as client:
            _show([row.json() for row in applying.apply(client, entries, mesh)], output)


def _files(path: Path) -> list[Path]:
    """The files to read, in the order of their names."""
    return sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES) if path.is_dir() else [path]


def _show(results: list[dict[str, Any]], output: Form) -> None:
    from isthmus.cli.output import show_json, show_table

    if output is Form.JSON:
        show_json({"applied": results})
    else:
        show_table(
            ("KIND", "NAME", "MESH", "RESULT", "REVISION"),
            [(r["kind"], r["name"], r["mesh"], r["result"], r["revision"]) for r in results],
        )
