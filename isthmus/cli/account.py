"""`isthmus account create|list`: the owners that App Mesh's interface knows, 12 digits each."""

from typing import Annotated

import typer

from isthmus.cli.output import Form, Output, show_json, show_table


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="The App Mesh accounts of your org.", no_args_is_help=True)
    app.add_typer(group, name="account")

    @group.command("create")
    def create(
        name: Annotated[str, typer.Argument(help="what people call it")],
        number: Annotated[
            str | None, typer.Option("--id", metavar="12DIGITS", help="its number; default: chosen at random")
        ] = None,
        output: Output = Form.TABLE,
    ) -> None:
        """Make an account, such as one with the number of the AWS account that you move from. It stays for ever."""
        from isthmus.cli.client import Client  # heavy, only when run

        with Client.found() as client:
            made = client.post("/accounts", {"name": name} | ({} if number is None else {"id": number}))
        if output is Form.JSON:
            show_json(made)
        else:
            typer.echo(
                f"account {made['id']} is {made['name']}; next: isthmus access-key create --account {made['id']}"
            )

    @group.command("list")
    def listing(output: Output = Form.TABLE) -> None:
        """List the org's accounts; the first is the one meant where none is said."""
        from isthmus.cli.client import Client

        with Client.found() as client:
            items = list(client.listed("/accounts"))
        if output is Form.JSON:
            show_json({"items": items})
        else:
            show_table(("ID", "NAME"), [(item["id"], item["name"]) for item in items])
