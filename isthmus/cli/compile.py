"""`isthmus compile -f DEFINITION`: what Envoy would be told, without a server, and whether a real Envoy takes it."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli import definitions
from isthmus.cli.output import Form, Output, show_json, show_table

HELP = """Compile a mesh to Envoy's resources, offline: no server, no sign-in.

Reads what `isthmus apply -f` reads: documents, a whole mesh, or App Mesh API calls one a line. \
Everything that is wrong is listed, and so is everything that has no effect (yet).

\b
  isthmus compile -f mesh.yaml              what each proxy would get, in short
  isthmus compile -f mesh.yaml --out DIR    DIR/node/blue@1.40/rds.json, …
  isthmus compile -f mesh.yaml --validate   and whether Envoy accepts all of it

Exit 0: it compiles and, with --validate, Envoy accepts it. Exit 1: something is wrong, told on stderr \
by document and field, or there is no Envoy to ask.
"""

MANY = 100
"""Views from which on it is worth saying how far validation has come."""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("compile", help=HELP)
    def compile_(
        file: definitions.File,
        cluster: Annotated[
            str | None,
            typer.Option(help="compile for this cluster, which the file attaches; without it there is one, `local`"),
        ] = None,
        mesh: Annotated[
            str | None, typer.Option(help="which mesh, where the file has several; the name of one without a name")
        ] = None,
        out: Annotated[Path | None, typer.Option(help="write the resources below this folder", file_okay=False)] = None,
        validate: Annotated[bool, typer.Option("--validate", help="have a real Envoy check every view")] = False,
        envoy: Annotated[
            Path | None, typer.Option(help="with --validate: which Envoy, by default the one we run")
        ] = None,
        output: Output = Form.TABLE,
    ) -> None:
        from isthmus.cli import compiling  # heavy, only when run

        entries = [entry for path in definitions.files(file) for entry in definitions.read(path)]
        of = compiling.compile_offline(compiling.one_mesh(entries, mesh), cluster)
        said = compiling.report(of)
        if out is not None:
            compiling.write(of, said, out)
        if validate:
            said["validated"] = compiling.validate(of, envoy, _progress)
        show_json(said) if output is Form.JSON else _show(said)
        for each in said.get("validated", {}).get("refused", ()):
            typer.echo(_refusal(each), err=True)
        raise typer.Exit(0 if said.get("validated", {}).get("accepted", True) else 1)


def _progress(done: int, of: int) -> None:
    if of >= MANY:
        sys.stderr.write(f"validated {done} of {of} views\n")


def _show(said: dict[str, Any]) -> None:
    typer.echo(f"mesh {said['mesh']} in cluster {said['cluster']}: version {said['version']}")
    rows = [(v["view"], v["serving"], v["calling"], v["version"], v.get("folder")) for v in said["views"]]
    written = any("folder" in v for v in said["views"])
    head = ("VIEW", "SERVING", "CALLING", "VERSION", "FOLDER")
    show_table(head if written else head[:-1], rows if written else [row[:-1] for row in rows])
    if said["ineffective"]:
        typer.echo("without effect:")
    for each in said["ineffective"]:
        place = f" {each['pointer']}" if each["pointer"] else ""
        typer.echo(f"  {each['kind']} {each['name']}{place}: {each['reason']}")
    validated = said.get("validated")
    if validated is not None:
        for each in validated["replaced"]:
            typer.echo(f"replaced to validate here: {each}")
        typer.echo("Envoy accepts every view" if validated["accepted"] else "Envoy refuses this")


def _refusal(said: dict[str, Any]) -> str:
    """Document, field, Envoy's words; then which part of which views they are about."""
    views = said["views"]
    where = views[0] if len(views) == 1 else f"{views[0]} and {len(views) - 1} more"
    return (
        f"{said['kind']} {said['name']}: {said['pointer'] or '/'}: {said['words']} ({said['part'] or 'all'} of {where})"
    )
