"""`isthmus import crd|cloudformation DIR`: what was written for App Mesh's other front doors, as files for `apply -f`.

The definitions are all that goes to stdout or the file; what is in none of them is told on stderr. If anything cannot
be worked out, everything that cannot is listed, nothing is written, and the exit code is 1.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from isthmus.imports.definitions import Imported

SUFFIXES = (".yaml", ".yml", ".json", ".template")
FORMS = ("yaml", "json")

Folder = Annotated[Path, typer.Argument(help="a file, or a directory read with all below it", exists=True)]
Where = Annotated[
    str, typer.Option("--output", "-o", metavar="yaml|json|FILE", help="the form on stdout, or the file to write")
]
Pairs = list[str]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Definitions out of what was written for App Mesh.", no_args_is_help=True)
    app.add_typer(group, name="import")

    @group.command("crd")
    def crd(
        folder: Folder,
        mesh: Annotated[str | None, typer.Option(help="the mesh of resources that do not say theirs")] = None,
        bindings: Annotated[bool, typer.Option("--bindings", help="bind nodes to the pods of the workloads")] = False,
        output: Where = "yaml",
    ) -> None:
        """Read resources of the Kubernetes controller (appmesh.k8s.aws/v1beta2)."""
        from isthmus.imports.crd import read_crds  # heavy, only when run

        _write(read_crds(_files(folder), mesh, with_bindings=bindings), output)

    @group.command("cloudformation")
    def cloudformation(
        folder: Folder,
        parameter: Annotated[
            Pairs | None, typer.Option(help="NAME=VALUE: a parameter, a Resource's Ref or a Resource.Attribute")
        ] = None,
        imported: Annotated[
            Pairs | None, typer.Option("--import", help="NAME=VALUE: what a stack elsewhere exports")
        ] = None,
        region: Annotated[str | None, typer.Option(help="AWS::Region")] = None,
        account: Annotated[str | None, typer.Option(help="AWS::AccountId")] = None,
        stack_name: Annotated[str | None, typer.Option(help="AWS::StackName; otherwise the file's name")] = None,
        output: Where = "yaml",
    ) -> None:
        """Read the AWS::AppMesh resources of CloudFormation templates."""
        from isthmus.imports.cloudformation import read_templates  # heavy, only when run
        from isthmus.imports.inputs import Given

        told = Given(_pairs(parameter or ()), _pairs(imported or ()), region, account, stack_name)
        _write(read_templates(_files(folder), told), output)


def _files(path: Path) -> list[tuple[str, str]]:
    """(name below the directory, text) of the files to read, in the order of their names."""
    from isthmus.errors import Invalid

    found = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file()) if path.is_dir() else [path]
    texts = []
    for file in found:
        try:
            texts.append((str(file.relative_to(path)) if path.is_dir() else file.name, file.read_text("utf-8-sig")))
        except UnicodeDecodeError as wrong:
            raise Invalid.one(f"{file}:", "not_utf8", f"is not UTF-8: {wrong.reason} at byte {wrong.start}") from None
    return texts


def _pairs(said: Sequence[str]) -> dict[str, str]:
    for pair in said:
        if "=" not in pair:
            raise typer.BadParameter(f"{pair!r} is not NAME=VALUE")
    return dict(pair.split("=", 1) for pair in said)


def _write(imported: "Imported", output: str) -> None:
    """The definitions where they were asked for, then what is in none of them."""
    if output in FORMS:
        sys.stdout.write(_text(imported, output))
    else:
        _save(Path(output), _text(imported, "json" if output.endswith(".json") else "yaml"))
    for definition in imported.definitions:
        sys.stderr.write(f"documents in mesh {definition.name}: {len(definition.documents)}\n")
    sys.stderr.writelines(f"{line}\n" for line in imported.notes.lines())


def _save(file: Path, text: str) -> None:
    try:
        file.write_text(text, "utf-8")
    except OSError as wrong:
        raise typer.BadParameter(f"cannot write {file}: {wrong.strerror}") from None


def _text(imported: "Imported", form: str) -> str:
    """What `isthmus apply -f` reads: YAML documents or a JSON list, one definition a mesh."""
    import yaml

    said = [{k: v for k, v in each.json().items() if k != "settings" or v} for each in imported.definitions]
    if form == "json":
        return json.dumps(said, indent=2) + "\n"
    return str(yaml.safe_dump_all(said, sort_keys=False, allow_unicode=True, width=120))
