"""`isthmus migrate`: the database to the newest schema; `isthmus migrate app-mesh`: how to come from App Mesh.

The first is an operator's and told by settings, the second a tenant's and asks the API. The guide tells no secret,
because the API has none to tell.
"""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isthmus.cli.output import Form, Output
from isthmus.cli.processes import PANEL, migrate

if TYPE_CHECKING:
    from isthmus.cli.app_mesh_guide import Installation
    from isthmus.cli.client import Client

REGION = "us-east-1"


def register(app: typer.Typer) -> None:
    """Add the command and the one below it."""
    group = typer.Typer(help=migrate.__doc__, invoke_without_command=True)
    app.add_typer(group, name="migrate", rich_help_panel=PANEL)

    @group.callback()
    def database(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            migrate()

    @group.command("app-mesh")
    def app_mesh(
        region: Annotated[str | None, typer.Option(help="the region that your clients sign for")] = None,
        account: Annotated[str | None, typer.Option(help="which of your accounts")] = None,
        output: Output = Form.TABLE,
    ) -> None:
        """Print how App Mesh's clients are pointed at this installation, and what differs."""
        from isthmus.cli.app_mesh_guide import guide, settings  # heavy, only when run
        from isthmus.cli.client import Client
        from isthmus.cli.output import show_json

        with Client.found() as client:
            installation = _installation(client, region, account)
        if output is Form.JSON:
            show_json(settings(installation))
        else:
            sys.stdout.write(guide(installation))


def _installation(client: "Client", region: str | None, account: str | None) -> "Installation":
    """Told, or an active key's account and a mesh's region, or the first account there is."""
    from isthmus.cli.app_mesh_guide import Installation

    active = [key for key in _listed(client, "/access-keys") if key["status"] == "active"]
    key = next((key for key in active if account in {None, key["account"]}), None)
    nothing: dict[str, Any] = {}
    mesh = next(_listed(client, "/meshes"), nothing).get("meta", nothing)
    first = next(_listed(client, "/accounts"), nothing).get("id", mesh.get("account"))
    known = account or (key["account"] if key else first)
    return Installation(client.api, region or mesh.get("region", REGION), known, key["access_key_id"] if key else None)


def _listed(client: "Client", path: str) -> Iterator[Any]:
    """Every item of a list; nothing where the API is older than the list."""
    token: str | None = ""
    while token is not None:
        answer = client.find(path + (f"?page_token={token}" if token else "")) or {"items": [], "next_page_token": None}
        yield from answer["items"]
        token = answer["next_page_token"]
