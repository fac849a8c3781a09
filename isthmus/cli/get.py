"""`isthmus get KIND [NAME]`: what is stored, as the API shows it."""

from typing import Annotated, Any

import typer

from isthmus.cli.output import Form, Output, show_json, show_table


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("get")
    def get(
        kind: Annotated[str, typer.Argument(help="meshes, clusters, revisions, virtual-nodes, routes, …")],
        name: Annotated[str | None, typer.Argument(help="one of them")] = None,
        mesh: Annotated[str | None, typer.Option("--mesh", "-m", help="the mesh it belongs to")] = None,
        parent: Annotated[str | None, typer.Option(help="of a route: its router; of a gateway route: its gateway")] = None,
        output: Output = Form.TABLE,
    ) -> None:
        """List what there is, or show one thing."""
        from isthmus.cli.client import Client  # noqa: PLC0415 - heavy, only when run

        client, path = Client.found(), _path(kind, mesh, parent)
        if name is not None:
            show_json(client.get(f"{path}/{_quoted(name)}"))
            return
        items = list(client.listed(path))
        if output is Form.JSON:
            show_json({"items": items})
        else:
            _table(kind, items)


def _quoted(name: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415

    return quote(name, safe="")


def _path(kind: str, mesh: str | None, parent: str | None) -> str:
    """The collection's path; usage errors say which option is missing."""
    from isthmus.model.kinds import KINDS  # noqa: PLC0415

    if kind in {"meshes", "clusters"}:
        return f"/{kind}"
    if mesh is None:
        raise typer.BadParameter("say which mesh with --mesh")
    if kind == "revisions":
        return f"/meshes/{_quoted(mesh)}/revisions"
    for known in KINDS.values():
        if known.segment == kind and known.name != "Mesh":
            if known.parent and parent is None:
                raise typer.BadParameter(f"say which {known.parent} with --parent")
            under = f"{known.parent_segment}/{_quoted(parent or '')}/" if known.parent else ""
            return f"/meshes/{_quoted(mesh)}/{under}{kind}"
    names = ", ".join(sorted(k.segment for k in KINDS.values()))
    raise typer.BadParameter(f"there is no kind {kind}; there are clusters, revisions, {names}")


def _table(kind: str, items: list[Any]) -> None:
    if kind == "clusters":
        rows = [(c["name"], c["region"], c["state"], len(c["agents"]), c["trust_domain"]) for c in items]
        show_table(("NAME", "REGION", "STATE", "AGENTS", "TRUST DOMAIN"), rows)
    elif kind == "revisions":
        rows = [(r["number"], r["status"], r["author"], r["reason"], r["commit_to_last_ack_ms"]) for r in items]
        show_table(("REVISION", "STATUS", "AUTHOR", "REASON", "LIVE AFTER MS"), rows)
    elif kind == "meshes":
        rows = [(m["name"], m["meta"]["ref"], m["meta"]["head"], m["meta"]["target"], m["meta"]["live"]) for m in items]
        show_table(("NAME", "REF", "HEAD", "TARGET", "LIVE"), rows)
    else:
        rows = [(d["name"], d["meta"]["revision"], d["meta"]["version"], d["meta"]["updated_at"]) for d in items]
        show_table(("NAME", "REVISION", "VERSION", "UPDATED"), rows)
