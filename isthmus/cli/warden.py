"""`isthmus warden`: the process of one host that owns the keys of its proxies and serves them their configuration."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("warden", rich_help_panel="Processes of a cluster")(warden)


def warden(
    data_dir: Annotated[Path, typer.Option(envvar="ISTHMUS_DATA_DIR", help="keys and the last known good")],
    agent: Annotated[
        str,
        typer.Option(envvar="ISTHMUS_AGENT", help="agents' enrolment addresses, by commas; needed once"),
    ] = "",
    agent_ca: Annotated[
        str, typer.Option(envvar="ISTHMUS_AGENT_CA", help="sha256:HEX of the root that an agent must chain to")
    ] = "",
    host_token: Annotated[
        str, typer.Option(envvar="ISTHMUS_HOST_TOKEN", help="of `isthmus agent host-token`; needed once")
    ] = "",
    warden_dir: Annotated[
        Path | None,
        typer.Option(envvar="ISTHMUS_WARDEN_DIR", help="where proxies find their sockets; default DATA_DIR/proxies"),
    ] = None,
) -> None:
    """Serve this host's Envoys until SIGTERM.

    An application that calls by gRPC's own xDS client needs no Envoy: list its instance with `grpc: true`, start it
    with the variables of WARDEN_DIR/<instance>/grpc.env in its environment, and let it call `xds:///<service>:<port>`
    with xDS credentials.
    """
    import logging

    from gateway.warden.running import Options, run
    from isthmus.errors import IsthmusError
    from isthmus.values import Secret

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    agents = tuple(part.strip() for part in agent.split(",") if part.strip())
    sockets = (warden_dir or data_dir / "proxies").absolute()
    try:
        run(Options(agents, agent_ca, Secret(host_token) if host_token else None, data_dir.absolute(), sockets))
    except IsthmusError as e:
        typer.echo(f"isthmus warden: {e}", err=True)
        raise typer.Exit(1) from None
