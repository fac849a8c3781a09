"""`isthmus agent`: a cluster's process, and `isthmus agent host-token`: how a host's warden enrols with it."""

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[Path, typer.Option(envvar="ISTHMUS_DATA_DIR", help="keys and the last known good; one per agent")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Run a cluster's agent; host-token lets a host in.", invoke_without_command=True)
    app.add_typer(group, name="agent")
    group.callback()(_agent)
    group.command("host-token")(_host_token)


def _agent(  # noqa: PLR0913, PLR0917 - each is an option of the command
    context: typer.Context,
    data_dir: Annotated[
        Path | None, typer.Option(envvar="ISTHMUS_DATA_DIR", help="keys and the last known good; one per agent")
    ] = None,
    hub: Annotated[str, typer.Option(envvar="ISTHMUS_HUB", help="the hubs' enrolment addresses, by commas")] = "",
    hub_ca: Annotated[
        str, typer.Option(envvar="ISTHMUS_HUB_CA", help="sha256:HEX of the CA that a hub must show")
    ] = "",
    join_token: Annotated[str, typer.Option(envvar="ISTHMUS_JOIN_TOKEN", help="needed once, to join")] = "",
    instances: Annotated[
        Path | None, typer.Option(envvar="ISTHMUS_INSTANCES", help="YAML of what runs here; watched")
    ] = None,
    wardens_bind: Annotated[
        str, typer.Option(envvar="ISTHMUS_WARDENS_BIND", help="HOST:PORT that wardens dial")
    ] = "127.0.0.1:15810",
    wardens_enrol_bind: Annotated[
        str, typer.Option(envvar="ISTHMUS_WARDENS_ENROL_BIND", help="HOST:PORT where wardens enrol")
    ] = "127.0.0.1:15811",
    wardens_address: Annotated[
        str,
        typer.Option(
            envvar="ISTHMUS_WARDENS_ADDRESS",
            help="what wardens are told to dial, if not --wardens-bind; by commas, this agent first, then its siblings",
        ),
    ] = "",
    replica: Annotated[str, typer.Option(envvar="ISTHMUS_REPLICA", help="a DNS label; made up when joining")] = "",
    aws_image_bind: Annotated[
        str, typer.Option(envvar="ISTHMUS_AWS_IMAGE_BIND", help="HOST:PORT for Envoys of App Mesh's image")
    ] = "",
    aws_image_cert: Annotated[
        Path | None,
        typer.Option(envvar="ISTHMUS_AWS_IMAGE_CERT", help="PEM chain that they trust; read when it changes"),
    ] = None,
    aws_image_key: Annotated[Path | None, typer.Option(envvar="ISTHMUS_AWS_IMAGE_KEY", help="its key, PEM")] = None,
    aws_image_host: Annotated[
        list[str] | None,
        typer.Option(
            envvar="ISTHMUS_AWS_IMAGE_HOST",
            help="HOST[:PORT] of their APPMESH_XDS_ENDPOINT, which they sign; repeatable",
        ),
    ] = None,
    dns_server: Annotated[
        str,
        typer.Option(envvar="ISTHMUS_DNS_SERVER", help="IP:PORT to ask for DNS names, if not the system's servers"),
    ] = "",
    cloud_map_endpoint: Annotated[
        str, typer.Option(envvar="ISTHMUS_CLOUD_MAP_ENDPOINT", help="URL of Cloud Map, if not AWS's own")
    ] = "",
) -> None:
    """Link this cluster to the hubs and serve its wardens until SIGTERM."""
    if context.invoked_subcommand is not None:
        return
    import logging

    from gateway.agent.aws_image.settings import Settings
    from gateway.agent.running import Options, run
    from isthmus.values import Secret

    if data_dir is None:
        raise typer.BadParameter("--data-dir is needed")
    image = None
    if aws_image_bind:
        if aws_image_cert is None or aws_image_key is None:
            raise typer.BadParameter("--aws-image-bind needs --aws-image-cert and --aws-image-key")
        image = Settings(aws_image_bind, aws_image_cert, aws_image_key, tuple(aws_image_host or ()))
        image.signed_hosts()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    run(
        Options(
            data_dir=data_dir,
            hubs=_several(hub),
            hub_ca=hub_ca,
            token=Secret(join_token) if join_token else None,
            replica=replica,
            instances=instances,
            wardens_bind=wardens_bind,
            wardens_enrol_bind=wardens_enrol_bind,
            wardens=_several(wardens_address),
            aws_image=image,
            dns_server=dns_server,
            cloud_map=cloud_map_endpoint,
        )
    )


def _host_token(
    data_dir: DataDir,
    host: Annotated[str, typer.Option(help="the host, as the instances file names it")],
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """Print a token with which the warden of a host enrols once, within 15 minutes."""
    import json

    from gateway.agent.running import host_token

    made = host_token(data_dir, host)
    command = f"isthmus warden --agent {made.agent} --agent-ca {made.agent_ca} --host-token {made.token} --data-dir D"
    if as_json:
        said = {"token": made.token, "host": host, "expires_at": made.expires.isoformat(), "command": command}
        typer.echo(json.dumps(said | {"agent": made.agent, "agent_ca": made.agent_ca}))
    else:
        typer.echo(f"good for host {host} once, until {made.expires:%H:%M:%S} UTC; run there:\n  {command}")


def _several(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
