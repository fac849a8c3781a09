"""`isthmus proxy`: one Envoy, with the right bootstrap, under a warden of this host."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("proxy", rich_help_panel="Processes of a cluster")(proxy)


def proxy(
    warden_dir: Annotated[Path, typer.Option(envvar="ISTHMUS_WARDEN_DIR", help="the warden's folder of sockets")],
    name: Annotated[str, typer.Option(envvar="ISTHMUS_PROXY", help="the instance or gateway, as discovery names it")],
    admin: Annotated[str, typer.Option(help="HOST:PORT of Envoy's admin interface; keep it on loopback")],
    concurrency: Annotated[int, typer.Option(min=1, help="worker threads")] = 2,
    wait: Annotated[float, typer.Option(help="seconds to wait for the warden's socket")] = 60.0,
    log_level: Annotated[str, typer.Option(help="Envoy's own: trace … critical")] = "warning",
    sds_socket: Annotated[
        Path | None,
        typer.Option(
            envvar="APPMESH_SDS_SOCKET_PATH", help="your own SDS, for `sds` in TLS; default: sds.sock beside xds.sock"
        ),
    ] = None,
) -> None:
    """Become Envoy: this process is the proxy from then on."""
    from gateway.envoy.run import become
    from isthmus.errors import Unavailable

    try:
        become(warden_dir, name, admin, concurrency, wait, log_level, sds_socket)
    except Unavailable as e:
        typer.echo(f"isthmus proxy: {e}", err=True)
        raise typer.Exit(1) from None
