"""`isthmus cluster add|get|join-token`: registering clusters."""

from typing import Annotated

import typer

from isthmus.cli.output import Form, Output, show_json


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="The clusters of your org.", no_args_is_help=True)
    app.add_typer(group, name="cluster")

    @group.command("add")
    def add(
        name: Annotated[str, typer.Argument(help="a DNS label")],
        region: Annotated[str, typer.Option(help="where it runs, such as us-east-1")],
        network: Annotated[str | None, typer.Option(help="shared with clusters it can reach without a gateway")] = None,
        output: Output = Form.TABLE,
    ) -> None:
        """Register a cluster and print the one command that runs its agent."""
        from isthmus.cli import urls
        from isthmus.cli.client import Client  # heavy, only when run

        body = {"name": name, "region": region} | ({"network": network} if network else {})
        with Client.found() as client:
            cluster = client.post("/clusters", body)
            token = client.post(f"/clusters/{urls.part(name)}/join-tokens", {})
        if output is Form.JSON:
            show_json({"cluster": cluster, "join_token": token})
        else:
            typer.echo(f"cluster {name} has the trust domain {cluster['trust_domain']}; within 15 minutes, run there:")
            typer.echo(f"  {token['command']}")

    @group.command("get")
    def get(name: Annotated[str, typer.Argument(help="its name")]) -> None:
        """Show a cluster's page of facts."""
        from isthmus.cli import urls
        from isthmus.cli.client import Client

        with Client.found() as client:
            show_json(client.get(f"/clusters/{urls.part(name)}"))

    @group.command("join-token")
    def join_token(name: Annotated[str, typer.Argument(help="its name")], output: Output = Form.TABLE) -> None:
        """Make a token for one more agent replica."""
        from isthmus.cli import urls
        from isthmus.cli.client import Client

        with Client.found() as client:
            token = client.post(f"/clusters/{urls.part(name)}/join-tokens", {})
        if output is Form.JSON:
            show_json(token)
        else:
            typer.echo(token["command"])
