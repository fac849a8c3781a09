"""`isthmus demo`: two clusters in two regions on this machine; `--check` puts the whole to the proof."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("demo")
    def demo(
        ready_file: Annotated[Path | None, typer.Option(help="written, as JSON, once everything answers")] = None,
        port_base: Annotated[
            int | None,
            typer.Option(help="all TCP ports are in [BASE, BASE+499] [default: 18000; with --check, free ones]"),
        ] = None,
        data_dir: Annotated[
            Path | None, typer.Option(help="keep the data there [default: a fresh one, removed at the end]")
        ] = None,
        check: Annotated[bool, typer.Option("--check", help="run the scenario unattended, then end")] = False,
        json: Annotated[
            bool, typer.Option("--json", help="print the report (or the ready file) as JSON on stdout")
        ] = False,
    ) -> None:
        """Run everything: the control plane with two hubs, two clusters with real Envoys, a shop across both.

        Exit codes: 0 stopped by Ctrl-C, or everything held with --check; 1 could not start, or something did not hold.
        """
        import sys

        from isthmus.demo.run import Options
        from isthmus.embedded.places import InUse
        from isthmus.embedded.ports import PortTaken
        from isthmus.embedded.waiting import NotReady

        options = Options(data_dir, port_base, ready_file, json)
        try:
            if check:
                from isthmus.demo.check import check as carry_out

                sys.exit(0 if carry_out(options) else 1)
            from isthmus.demo.show import show

            show(options)
        except (InUse, NotReady, PortTaken, ValueError) as e:
            sys.exit(f"isthmus demo: {e}")
