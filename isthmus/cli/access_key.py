"""`isthmus access-key create|list|deactivate|activate|delete`: what AWS's own clients sign their requests with."""

import shlex
from typing import Annotated, Any

import typer

from isthmus.cli.output import Form, Output, show_json, show_table

Id = Annotated[str, typer.Argument(metavar="ID", help="the access key's id, AKIA…")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help="The keys that AWS's clients sign with, to use App Mesh's interface.", no_args_is_help=True
    )
    app.add_typer(group, name="access-key")

    @group.command("create")
    def create(
        account: Annotated[str | None, typer.Option(help="whom it acts for; default: the org's first")] = None,
        output: Output = Form.TABLE,
    ) -> None:
        """Make a key and print what AWS's clients need to use it: `eval "$(isthmus access-key create)"`.

        The secret is shown this once.
        """
        from isthmus.cli.client import Client  # heavy, only when run

        with Client.found() as client:
            key = client.post("/access-keys", {} if account is None else {"account": account})
            endpoint = client.api
        if output is Form.JSON:
            show_json(key)
            return
        variables = {
            "AWS_ACCESS_KEY_ID": key["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": key["secret_access_key"],
            "AWS_ENDPOINT_URL_APP_MESH": endpoint,
        }
        for name, value in variables.items():
            typer.echo(f"export {name}={shlex.quote(value)}")
        typer.echo(f"it acts for account {key['account']}; the secret is not shown again", err=True)

    @group.command("list")
    def listing(output: Output = Form.TABLE) -> None:
        """List the org's keys, oldest first, without their secrets."""
        from isthmus.cli.client import Client

        with Client.found() as client:
            items = list(client.listed("/access-keys"))
        if output is Form.JSON:
            show_json({"items": items})
        else:
            rows = [(i["access_key_id"], i["account"], i["status"], i["created_at"]) for i in items]
            show_table(("ID", "ACCOUNT", "STATUS", "CREATED"), rows)

    @group.command("deactivate")
    def deactivate(key: Id, output: Output = Form.TABLE) -> None:
        """Refuse what is signed with a key, until it is activated."""
        _show(_change(key, "inactive"), output)

    @group.command("activate")
    def activate(key: Id, output: Output = Form.TABLE) -> None:
        """Accept what is signed with a key again."""
        _show(_change(key, "active"), output)

    @group.command("delete")
    def delete(key: Id, output: Output = Form.TABLE) -> None:
        """Forget a key and its secret, for ever."""
        from isthmus.cli import urls
        from isthmus.cli.client import Client

        with Client.found() as client:
            gone = client.delete(f"/access-keys/{urls.part(key)}")
        if output is Form.JSON:
            show_json(gone)
        else:
            typer.echo(f"access key {key} is deleted")


def _change(key: str, status: str) -> Any:  # noqa: ANN401 - JSON
    from isthmus.cli import urls
    from isthmus.cli.client import Client

    with Client.found() as client:
        return client.patch(f"/access-keys/{urls.part(key)}", {"status": status})


def _show(key: dict[str, Any], output: Form) -> None:
    if output is Form.JSON:
        show_json(key)
    else:
        typer.echo(f"access key {key['access_key_id']} is {key['status']}")
