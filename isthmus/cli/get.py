"""`isthmus get KIND [NAME]`: what is stored, as the API shows it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from isthmus.cli.output import Form, Output, show_json, show_table

Columns = Sequence[tuple[str, str]]
DOCUMENT: Columns = (
    ("NAME", "name"),
    ("REVISION", "meta.revision"),
    ("VERSION", "meta.version"),
    ("UPDATED", "meta.updated_at"),
)
COLUMNS: Mapping[str, Columns] = {
    "clusters": (
        ("NAME", "name"),
        ("REGION", "region"),
        ("STATE", "state"),
        ("AGENTS", "agents"),
        ("TRUST DOMAIN", "trust_domain"),
    ),
    "revisions": (
        ("REVISION", "number"),
        ("STATUS", "status"),
        ("AUTHOR", "author"),
        ("REASON", "reason"),
        ("LIVE AFTER MS", "commit_to_last_ack_ms"),
    ),
    "virtual-services": (*DOCUMENT, ("VIP", "meta.vip")),
    "meshes": (
        ("NAME", "name"),
        ("REF", "meta.ref"),
        ("HEAD", "meta.head"),
        ("TARGET", "meta.target"),
        ("LIVE", "meta.live"),
    ),
}
"""Heading, and where the value lies in an item."""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("get")
    def get(
        kind: Annotated[str, typer.Argument(help="meshes, clusters, revisions, virtual-nodes, routes, …")],
        name: Annotated[str | None, typer.Argument(help="one of them")] = None,
        mesh: Annotated[str | None, typer.Option("--mesh", "-m", help="the mesh it belongs to")] = None,
        parent: Annotated[
            str | None, typer.Option(help="of a route: its router; of a gateway route: its gateway")
        ] = None,
        output: Output = Form.TABLE,
    ) -> None:
        """List what there is, or show one thing."""
        from isthmus.cli import urls  # heavy, only when run
        from isthmus.cli.client import Client  # heavy, only when run

        path = _path(kind, mesh, parent)
        with Client.found() as client:
            if name is not None:
                show_json(client.get(f"{path}/{urls.part(name)}"))
                return
            items = list(client.listed(path))
        if output is Form.JSON:
            show_json({"items": items})
        else:
            _table("" if kind == "clusters" and mesh is not None else kind, items)


def _path(kind: str, mesh: str | None, parent: str | None) -> str:
    """The collection's path; usage errors say which option is missing. A mesh's `clusters` are its attachments."""
    from isthmus.cli import urls
    from isthmus.model.kinds import KINDS

    if kind == "meshes" or (kind == "clusters" and mesh is None):
        return f"/{kind}"
    if mesh is None:
        raise typer.BadParameter("say which mesh with --mesh")
    if kind == "revisions":
        return f"{urls.mesh(mesh)}/revisions"
    known = {k.segment: k for k in KINDS.values() if k.name != "Mesh"}
    if kind not in known:
        raise typer.BadParameter(f"there is no kind {kind}; there are meshes, revisions, {', '.join(sorted(known))}")
    if known[kind].parent and parent is None:
        raise typer.BadParameter(f"say which {known[kind].parent} with --parent")
    return urls.collection(known[kind], mesh, parent if known[kind].parent else None)


def _table(kind: str, items: list[Any]) -> None:
    """The columns that tell such things apart."""
    columns = COLUMNS.get(kind, DOCUMENT)
    show_table([head for head, _ in columns], [[_at(item, path) for _, path in columns] for item in items])


def _at(item: Any, path: str) -> object:  # noqa: ANN401 - JSON
    """What lies at a dotted path; of a list, how many there are."""
    for member in path.split("."):
        item = item[member]
    return len(item) if isinstance(item, list) else item
