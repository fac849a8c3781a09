"""`isthmus explain-sni`: who is asked for by a name from an east-west gateway's log or statistics."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer

from isthmus.cli.output import Form, Output, show_json, show_table


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("explain-sni")
    def explain_sni(
        mesh: Annotated[str, typer.Argument(help="the mesh")],
        sni: Annotated[str, typer.Argument(help="the name, as a gateway says it")],
        cluster: Annotated[str, typer.Option(help="whose gateway it is")],
        instance: Annotated[
            list[str] | None, typer.Option(help="an instance's name, to tell slots by; may be repeated")
        ] = None,
        revision: Annotated[int | None, typer.Option(help="default: the newest")] = None,
        output: Output = Form.TABLE,
    ) -> None:
        """Say which node, port and instance of a mesh a gateway is asked for by this name."""
        from isthmus.cli import urls  # heavy, only when run
        from isthmus.cli.client import Client, fail
        from isthmus.xds.directory import Directory
        from isthmus.xds.explained import explained
        from isthmus.xds.snapshot import AGENT_VIEW, Resource, Type

        path = urls.mesh(mesh)
        with Client.found() as client:
            number = revision if revision is not None else client.get(path)["meta"]["head"]
            query = urls.query({"cluster": cluster, "view": AGENT_VIEW})
            found = client.get(f"{path}/revisions/{number}/snapshot?{query}")["resources"]
            of = UUID(client.get(f"/clusters/{urls.part(cluster)}")["id"])
        directory = Directory.read(Resource.json(Type(r["type"]), r["name"], r["resource"]) for r in found)
        assert directory is not None, "an `agent` view says its mesh"
        try:
            told = asdict(explained(sni, directory, of, instance or ()))
        except ValueError as error:
            fail(str(error))
        if output is Form.JSON:
            show_json(told)
        else:
            show_table([name.upper() for name in told], [[value or "-" for value in told.values()]])
