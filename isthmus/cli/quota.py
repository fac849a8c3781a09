"""`isthmus quota list|set`: what an org may have. Reading asks the API; setting is the operator's."""

from typing import Annotated

import typer

from isthmus.cli.output import Form, Output, show_json, show_table


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="How much an org may have of what.", no_args_is_help=True)
    app.add_typer(group, name="quota")

    @group.command("list")
    def listing(output: Output = Form.TABLE) -> None:
        """Show every quota of your org."""
        from isthmus.cli.client import Client  # heavy, only when run

        with Client.found() as client:
            quotas = client.get("/quotas")["items"]
        if output is Form.JSON:
            show_json(quotas)
        else:
            show_table(("QUOTA", "LIMIT", "DEFAULT"), [(q["name"], q["limit"], q["default"]) for q in quotas])

    @group.command("set")
    def change(
        name: Annotated[str, typer.Argument(help="as `isthmus quota list` shows it; `app-mesh` is all of App Mesh's")],
        limit: Annotated[int | None, typer.Argument(min=0, help="the new limit; none is the default again")] = None,
        *,
        database_url: Annotated[str, typer.Option(envvar="ISTHMUS_DATABASE_URL", help="as the processes have it")],
        org: Annotated[str, typer.Option(help="the org's slug")] = "local",
    ) -> None:
        """Give an org another limit. For the operator."""
        from isthmus.store import orgs
        from isthmus.store.database import Database
        from isthmus.store.quotas import APP_MESH, Quotas

        chosen = APP_MESH if name == "app-mesh" else {name: limit}
        database = Database(database_url)
        try:
            with database.tenant(orgs.id_of(org)) as session:
                orgs.find(session, orgs.id_of(org))
                for quota, value in chosen.items():
                    Quotas(session, orgs.id_of(org)).set(quota, value)
        finally:
            database.close()
