"""`isthmus up`: the whole control plane on this machine, until Ctrl-C."""

from pathlib import Path
from typing import Annotated

import typer

from isthmus.cli.processes import PANEL


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("up", rich_help_panel=PANEL)
    def up(
        data_dir: Annotated[
            Path | None, typer.Option(help="what to keep, and where [default: ~/.local/share/isthmus]")
        ] = None,
        port_base: Annotated[int, typer.Option(help="all TCP ports are in [BASE, BASE+499]")] = 18000,
        ready_file: Annotated[Path | None, typer.Option(help="written, as JSON, once everything answers")] = None,
        region: Annotated[list[str] | None, typer.Option(help="run a hub in it; repeatable")] = None,
        json: Annotated[bool, typer.Option("--json", help="print the ready file's JSON instead of the logs")] = False,
    ) -> None:
        """Run PostgreSQL, Valkey, the API, a worker with beat and relay, and a hub in each region, until Ctrl-C.

        No root is needed. Everything is in the data directory: start again with the same one, also after a kill -9, and
        go on. Exit codes: 0 stopped by Ctrl-C or SIGTERM, 1 could not start (the message says why).
        """
        from isthmus.embedded.up import Options, run

        run(Options(data_dir, port_base, ready_file, tuple(region or ["us-east-1"]), json))
