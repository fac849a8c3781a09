"""`isthmus rollout status|snapshot`: how live a revision is, waiting until it is, and what it became for Envoy."""

import time
from typing import Annotated, Any

import typer

from isthmus.cli.output import Form, Output, show_json, show_table

OVER = {"live", "partly_live", "rejected", "halted", "rolled_back", "superseded"}
POLL_SECONDS = 0.2


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="How changes come live.", no_args_is_help=True)
    app.add_typer(group, name="rollout")

    @group.command("status")
    def status(
        mesh: Annotated[str, typer.Argument(help="the mesh")],
        revision: Annotated[int | None, typer.Option(help="default: the newest")] = None,
        wait: Annotated[bool, typer.Option("--wait", help="until it is live or has failed")] = False,
        timeout: Annotated[float, typer.Option(help="seconds to wait at most")] = 60.0,
        output: Output = Form.TABLE,
    ) -> None:
        """Show where a revision is live. Exit 0: live; 1: not (yet); 4: halted or rejected."""
        from isthmus.cli import urls  # heavy, only when run
        from isthmus.cli.client import HALTED, Client

        path, deadline = urls.mesh(mesh), time.monotonic() + (timeout if wait else 0)
        with Client.found() as client:
            number = revision if revision is not None else client.get(path)["meta"]["head"]
            while True:
                found = client.get(f"{path}/revisions/{number}")
                if found["status"] in OVER or time.monotonic() >= deadline:
                    break
                time.sleep(POLL_SECONDS)
            plain = 0 if output is Form.JSON else sum(1 for _ in client.listed(f"{path}/plaintext"))
        _show(found, output)
        if plain:
            typer.echo(f"calls in plaintext: {plain}, see isthmus get plaintext --mesh {mesh}")
        code = {"live": 0, "partly_live": 0, "halted": HALTED, "rejected": HALTED}.get(found["status"], 1)
        raise typer.Exit(code)

    @group.command("snapshot")
    def snapshot(
        mesh: Annotated[str, typer.Argument(help="the mesh")],
        cluster: Annotated[str, typer.Option(help="for which cluster")],
        revision: Annotated[int | None, typer.Option(help="default: the newest")] = None,
        view: Annotated[str | None, typer.Option(help="print all that Envoys with this view are told, as JSON")] = None,
        output: Output = Form.TABLE,
    ) -> None:
        """Show what a revision became for a cluster: its views, or all that is in one."""
        from isthmus.cli import urls  # heavy, only when run
        from isthmus.cli.client import Client

        path = urls.mesh(mesh)
        with Client.found() as client:
            number = revision if revision is not None else client.get(path)["meta"]["head"]
            asked = {"cluster": cluster} | ({"view": view} if view is not None else {})
            found = client.get(f"{path}/revisions/{number}/snapshot?{urls.query(asked)}")
        if view is not None or output is Form.JSON:
            show_json(found)
        else:
            typer.echo(f"revision {number} in cluster {cluster}: version {found['version']}")
            rows = [(v["view"], v["serving"], v["calling"], v["version"]) for v in found["views"]]
            show_table(("VIEW", "SERVING", "CALLING", "VERSION"), rows)


def _show(found: dict[str, Any], output: Form) -> None:
    if output is Form.JSON:
        show_json(found)
        return
    proxies, took = found["proxies"], found["commit_to_last_ack_ms"]
    late = "" if took is None else f", {took:.0f} ms from commit to the last ACK"
    typer.echo(
        f"revision {found['number']} is {found['status']} on {proxies['acked']} of {proxies['connected']} proxies{late}"
    )
    rows = [
        (c["cluster"], c["phase"], c["verdict"], f"{c['acked']}/{c['connected']}", c["version"])
        for c in found["clusters"]
    ]
    show_table(("CLUSTER", "PHASE", "STATE", "ACKED", "VERSION"), rows)
    for straggler in found["stragglers"]:
        typer.echo(f"waiting for {straggler['proxy']} in {straggler['cluster']}")
    for nack in found["nacks"]:
        typer.echo(f"{nack['proxy']} in {nack['cluster']} refused {_refused(nack)}: {nack['message']}")
    for failure in found["failures"]:
        typer.echo(f"{failure['code']}: {failure['reason']}")


def _refused(nack: dict[str, Any]) -> str:
    """What was refused, and whose words it is made of, as far as the API knows."""
    made = nack.get("resource")
    return f"{nack['type']} {nack['name']}" + (f" (of {made['kind']} {made['name']})" if made else "")
