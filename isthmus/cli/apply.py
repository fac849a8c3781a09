"""`isthmus apply -f FILE|DIR`: native documents, whole meshes, and App Mesh API calls one a line, through the API.

Native documents of one mesh go in one request, so they are one revision; App Mesh calls are applied in their order,
because that is what they mean. What is already so is left alone.
"""

from typing import Annotated, Any

import typer

from isthmus.cli import definitions
from isthmus.cli.output import Form, Output


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("apply")
    def apply(
        file: definitions.File,
        mesh: Annotated[str | None, typer.Option(help="the mesh that loose documents belong to")] = None,
        output: Output = Form.TABLE,
    ) -> None:
        """Bring meshes to what the files say."""
        from isthmus.cli import applying  # heavy, only when run
        from isthmus.cli.client import Client

        entries = [entry for path in definitions.files(file) for entry in definitions.read(path)]
        with Client.found() as client:
            _show([row.json() for row in applying.apply(client, entries, mesh)], output)


def _show(results: list[dict[str, Any]], output: Form) -> None:
    from isthmus.cli.output import show_json, show_table

    if output is Form.JSON:
        show_json({"applied": results})
    else:
        show_table(
            ("KIND", "NAME", "MESH", "RESULT", "REVISION"),
            [(r["kind"], r["name"], r["mesh"], r["result"], r["revision"]) for r in results],
        )
