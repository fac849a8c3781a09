"""`isthmus login`: remember where the API is and the token for it, in a file that only you can read."""

import json
import os
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("login")
    def login(
        api: Annotated[str, typer.Option(help="the API's URL", prompt="API")],
        token: Annotated[str, typer.Option(help="an API token", prompt="Token", hide_input=True)],
    ) -> None:
        """Check the token against the API, then store both."""
        from isthmus.cli.client import Client, credentials_file  # heavy, only when run

        with Client(api, token) as client:
            client.get("/meshes?page_size=1")
        path = credentials_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump({"api": api, "token": token}, file)
        typer.echo(f"signed in to {api}")
