"""`isthmus get KIND [NAME]`: what is stored, as the API shows it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer

from isthmus.cli.output import Form, Output, show_json, show_table

Columns = Sequence[tuple[str, str | Callable[[Any], object]]]
DOCUMENT: Columns = (
    ("NAME", "name"),
    ("REVISION", "meta.revision"),
    ("VERSION", "meta.version"),
    ("UPDATED", "meta.updated_at"),
)


def found(node: Any) -> str:  # noqa: ANN401 - JSON
    """How a node without bound instances is found, by each cluster that calls it; nothing of one that has some."""
    unbound = node["meta"]["status"].get("unbound")
    if unbound is None:
        return ""
    told = [f"{c['cluster']}: {c['source']} {c['asked']} → {_answer(c)}" for c in unbound["clusters"]]
    return "; ".join(told) or "by nobody yet"


def _answer(told: Mapping[str, Any]) -> str:
    stale, error = " (stale)" if told["stale"] else "", f", {told['error']}" if told["error"] else ""
    return f"{', '.join(told['addresses']) or 'nothing'}{stale}{error}"


COLUMNS: Mapping[str, Columns] = {
    "virtual-nodes": (*DOCUMENT, ("UNBOUND, FOUND BY", found)),
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
    "plaintext": (
        ("CLUSTER", "cluster"),
        ("CALLER", "caller.name"),
        ("NODE", "node"),
        ("PORT", "port"),
        ("INSTANCES", "instances"),
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
"""Heading, and where the value lies in an item, or what makes it."""
OF_MESHES = ("revisions", "plaintext")
"""What is listed of a mesh and is no kind of document."""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("get")
    def get(
        kind: Annotated[str, typer.Argument(help="meshes, clusters, revisions, plaintext, virtual-nodes, routes, …")],
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
    if kind in OF_MESHES:
        return f"{urls.mesh(mesh)}/{kind}"
    known = {k.segment: k for k in KINDS.values() if k.name != "Mesh"}
    if kind not in known:
        there = ", ".join(("meshes", *OF_MESHES, *sorted(known)))
        raise typer.BadParameter(f"there is no kind {kind}; there are {there}")
    if known[kind].parent and parent is None:
        raise typer.BadParameter(f"say which {known[kind].parent} with --parent")
    return urls.collection(known[kind], mesh, parent if known[kind].parent else None)


def _table(kind: str, items: list[Any]) -> None:
    """The columns that tell such things apart."""
    columns = COLUMNS.get(kind, DOCUMENT)
    show_table([head for head, _ in columns], [[_value(item, where) for _, where in columns] for item in items])


def _value(item: Any, where: str | Callable[[Any], object]) -> object:  # noqa: ANN401 - JSON
    return _at(item, where) if isinstance(where, str) else where(item)


def _at(item: Any, path: str) -> object:  # noqa: ANN401 - JSON
    """What lies at a dotted path; of a list, how many there are."""
    for member in path.split("."):
        item = item[member]
    return len(item) if isinstance(item, list) else item
