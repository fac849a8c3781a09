"""`isthmus get plaintext`, and the word of it beside a revision's status."""

from pathlib import Path
from uuid import UUID

import pytest

from isthmus.cli.client import Client
from isthmus.store.clusters import Clusters
from isthmus.store.database import Database
from isthmus.store.topology import Topology
from tests import build
from tests.contract.cli.conftest import Run


@pytest.fixture
def mesh(client: Client) -> UUID:
    """A mesh in east that nobody has said anything of."""
    client.post("/clusters", {"name": "east", "region": "us-east-1"})
    client.put("/meshes/shop", build.mesh(clusters=["east"]).json(), {"If-None-Match": "*"})
    return UUID(client.get("/meshes/shop")["meta"]["uid"])


def test_calls_in_plaintext_are_listed_and_refuse_strict_by_name(
    isthmus: Run, database: Database, org: UUID, mesh: UUID, tmp_path: Path
) -> None:
    assert "plaintext" not in isthmus("rollout", "status", "shop").out
    pair = {"caller": "front", "caller_kind": "node", "node": "blue", "port": 8080, "instances": ["b-1", "b-2"]}
    with database.tenant(org) as session:
        (east,) = Clusters(session, org).list(None, 2)
        Topology(session, org).summarise(east.id, mesh, 1, {"plaintext": [pair]})
    listed = isthmus("get", "plaintext", "--mesh", "shop").out.splitlines()
    assert [line.split() for line in listed] == [
        ["CLUSTER", "CALLER", "NODE", "PORT", "INSTANCES"],
        ["east", "front", "blue", "8080", "2"],
    ]
    assert "calls in plaintext: 1, see isthmus get plaintext --mesh shop" in isthmus("rollout", "status", "shop").out
    strict = tmp_path / "strict.yaml"
    strict.write_text("{kind: Transport, name: blue, spec: {mode: strict}}")
    refused = isthmus("apply", "-f", strict, "--mesh", "shop")
    assert refused.code == 3, "as for everything that what stands forbids"
    assert "VirtualNode front calls blue:8080 in plaintext in cluster east: b-1, b-2" in refused.err
