"""`isthmus rollout snapshot` shows what is stored of a compile, as `isthmus compile` shows what a file would become."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from isthmus.cli.client import Client
from isthmus.store.authorities import Authorities
from isthmus.store.clusters import Clusters
from isthmus.store.database import Database
from isthmus.store.deliveries import Deliveries, record
from isthmus.store.replicas import Replicas
from isthmus.values import BASE_DOMAIN, AgentId, mesh_label, service_id, slot_id
from isthmus.wire import Sni
from isthmus.xds.snapshot import NOTHING, Phase
from tests import build
from tests.contract.cli.conftest import Run
from workers.compile import bring_to_head
from workers.warm import Warm

NACK = {"proxy": "p", "type": "cds", "name": "node/blue/8080", "version": "v", "message": "no such thing"}


@pytest.fixture
def cluster(client: Client, database: Database, org: UUID) -> UUID:
    """A mesh that is not compiled yet, in a cluster with an agent."""
    now = datetime.now(UTC)
    with database.tenant(org) as session:
        east = Clusters(session, org).create("east", "us-east-1", "east", now=now).id
        Authorities(session, org).add(east, "east-1.acme.example", b"", b"", now)
        agent, replicas = AgentId(org, east, "a1"), Replicas(session, org)
        replicas.enrol(agent, b"key", now + timedelta(days=1))
        replicas.beat(replicas.known(agent), [], 1, 2)
    client.put("/meshes/shop", build.mesh(clusters=["east"]).json(), {"If-None-Match": "*"})
    return east


def _compile(client: Client, database: Database, org: UUID) -> UUID:
    mesh = UUID(client.get("/meshes/shop")["meta"]["uid"])
    with database.tenant(org) as session:
        bring_to_head(session, org, mesh, BASE_DOMAIN, datetime.now(UTC), Warm())
    return mesh


@pytest.mark.usefixtures("cluster")
def test_views_are_listed_and_one_is_printed_whole(isthmus: Run, client: Client, database: Database, org: UUID) -> None:
    early = isthmus("rollout", "snapshot", "shop", "--cluster", "east")
    assert (early.code, "not_compiled: revision 1 is not compiled yet" in early.err) == (1, True)
    _compile(client, database, org)
    lines = isthmus("rollout", "snapshot", "shop", "--cluster", "east").out.splitlines()
    assert lines[0].startswith("revision 1 in cluster east: version ")
    assert any(line.startswith("node/front@1.40 ") for line in lines)
    asked = ("rollout", "snapshot", "shop", "--cluster", "east", "--revision", 1, "--view", "node/front@1.40")
    assert {each["name"] for each in isthmus(*asked).json["resources"]} > {"outbound", "node/blue/8080"}


def test_a_refusal_is_told_with_whose_it_is(
    isthmus: Run, cluster: UUID, client: Client, database: Database, org: UUID
) -> None:
    mesh = _compile(client, database, org)
    said = {"version": "v", "connected": 1, "acked": 0, "lost": 0, "stragglers": [], "nacks": [NACK], "last_ack": 0.0}
    with database.tenant(org) as session:
        delivery = Deliveries(session, org, mesh).offer(cluster, 1, Phase.SHIFT, NOTHING)
        record(delivery, "a1", "node/front@1.40", said, datetime.now(UTC))
    shown = isthmus("rollout", "status", "shop").out
    assert "p in east refused cds node/blue/8080 (of VirtualNode blue): no such thing" in shown


def test_a_gateways_name_is_told_as_the_tenant_called_it(
    isthmus: Run, cluster: UUID, client: Client, database: Database, org: UUID
) -> None:
    mesh = _compile(client, database, org)
    name = Sni(slot_id(cluster, mesh, "blue", "blue-1"), 8080, service_id(mesh, "blue"), mesh_label(mesh)).text()
    asked = ("explain-sni", "shop", name.upper(), "--cluster", "east")
    told = {"mesh": "shop", "node": "blue", "port": 8080, "protocol": "http", "slot": name.partition(".")[0]}
    assert isthmus(*asked, "--instance", "blue-1", "--instance", "x", "-o", "json").json == told | {
        "instance": "blue-1"
    }
    assert isthmus(*asked).out.splitlines()[1].split() == ["shop", "blue", "8080", "http", told["slot"], "-"]
    refused = isthmus("explain-sni", "shop", name.replace(".v1.", ".v0."), "--cluster", "east")
    assert (refused.code, "is no SNI of a mesh" in refused.err) == (1, True)
