"""`isthmus sample-app`: a workload for demos and tests. It says who it is and what reached it, and may call another."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("sample-app")
    def sample_app(
        bind: Annotated[str, typer.Option(help="HOST:PORT to listen on")],
        name: Annotated[str, typer.Option(help="what it calls itself")] = "sample",
        node: Annotated[str, typer.Option(help="its virtual node")] = "",
        cluster: Annotated[str, typer.Option(help="its cluster")] = "",
        instance: Annotated[str, typer.Option(help="which of the node's instances it is")] = "",
        call: Annotated[
            str, typer.Option(help="http://HOST:PORT of its sidecar, to call another service through")
        ] = "",
        host_header: Annotated[str, typer.Option(help="the service to call, as host:port or a name")] = "",
    ) -> None:
        """Answer every request with JSON: name, node, cluster, instance, path, headers (and `called`, with --call)."""
        import asyncio

        from isthmus.embedded.sample import Callee, Sample
        from isthmus.hostport import parted

        who = {"name": name, "node": node, "cluster": cluster, "instance": instance}
        host, port = parted(bind)
        sample = Sample(who, Callee.parse(call, host_header) if call else None)
        asyncio.run(sample.serve(host, port))
