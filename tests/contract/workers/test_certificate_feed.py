"""Which certificates a cluster is sent: those that it is offered by name, its own org's, whole, and at once."""

from uuid import UUID, uuid4

import pytest

from gateway.proto import link_pb2 as link
from isthmus.store import tables
from isthmus.store.acme import Challenges
from isthmus.store.certificates import IMPORTED, Certificates, Wanted, sealing_context
from isthmus.store.database import Database
from isthmus.store.deliveries import Deliveries
from isthmus.store.snapshots import Snapshots
from isthmus.xds import names
from isthmus.xds.snapshot import Phase, Snapshot
from tests.certificates import brought
from tests.contract.workers.region import SEALER, Region
from tests.databases import Copy
from tests.unit.xds.test_managed import listener


@pytest.fixture
def region(copy: Copy, database: Database, org: UUID) -> Region:
    return Region.of(copy, database, org)


def imported(database: Database, org: UUID) -> tuple[str, str]:
    """The ARN and the serial of a certificate of this org."""
    number, pair = uuid4(), brought()
    with database.tenant(org) as session:
        certificates = Certificates(session, org)
        row = certificates.want(Wanted(IMPORTED, pair.domains, "us-east-1"), number)
        certificates.show(row, pair, SEALER.seal(pair.key, sealing_context(org, number)))
        return row.arn, pair.serial


def offered(region: Region, cluster: str, *arns: str) -> None:
    """The cluster is offered a listener that shows these."""
    shown = [listener(*map(names.certificate, arns))] if arns else []
    snapshot = Snapshot.of({"gateway/edge@1.40": ([], shown)})
    with region.database.tenant(region.org) as session:
        Snapshots(session, region.org, region.mesh).add(list(snapshot.resources.values()))
        deliveries = Deliveries(session, region.org, region.mesh)
        deliveries.offer(region.clusters[cluster], 1, Phase.CONTRACT, snapshot.manifest)


async def sent(region: Region, cluster: str) -> list[str]:
    """The ARNs of what it is sent, keys among it."""
    found = await region.feed.certificates(region.agent(cluster))
    assert all(b"PRIVATE KEY" in each.key_pem for each in found.certificates)
    return [each.arn for each in found.certificates]


async def test_a_cluster_is_sent_what_it_is_offered_by_name_and_another_is_not(region: Region) -> None:
    (one, _), (two, _) = imported(region.database, region.org), imported(region.database, region.org)
    assert await sent(region, "east") == []
    offered(region, "east", one)
    offered(region, "west", one, two)
    assert (await sent(region, "east"), await sent(region, "west")) == ([one], sorted([one, two]))
    offered(region, "east")
    assert await sent(region, "east") == []
    empty = await region.feed.certificates(region.agent("east"))
    assert empty.position.version == "", "an agent that never had any need not be told so"


async def test_another_orgs_certificate_is_sent_to_nobody_who_names_it(region: Region, other_org: UUID) -> None:
    theirs, _ = imported(region.database, other_org)
    ours, _ = imported(region.database, region.org)
    offered(region, "east", theirs, ours)
    assert await sent(region, "east") == [ours]


async def test_another_chain_is_another_version_and_the_same_is_the_same(region: Region) -> None:
    arn, _ = imported(region.database, region.org)
    offered(region, "east", arn)
    agent = region.agent("east")
    first, again = await region.feed.certificates(agent), await region.feed.certificates(agent)
    assert first.position.version == again.position.version
    assert (first.position.lane, first.position.generation) == (link.CERTIFICATES, 1)
    assert first.position.sequence < again.position.sequence
    with region.database.tenant(region.org) as session:
        certificates, pair = Certificates(session, region.org), brought()
        row = certificates.get(arn)
        certificates.show(row, pair, SEALER.seal(pair.key, sealing_context(region.org, row.id)))
    renewed = await region.feed.certificates(agent)
    assert renewed.position.version != first.position.version
    assert renewed.certificates[0].chain_pem == pair.chain


async def test_a_key_that_does_not_open_leaves_the_others(region: Region) -> None:
    (one, _), (two, _) = imported(region.database, region.org), imported(region.database, region.org)
    offered(region, "east", one, two)
    with region.database.tenant(region.org) as session:
        Certificates(session, region.org).get(one).sealed_key = SEALER.seal(b"key", "another place")
    assert await sent(region, "east") == [two]


async def test_every_cluster_of_the_org_is_told_what_an_acme_authority_will_ask(
    region: Region, other_org: UUID
) -> None:
    arn, _ = imported(region.database, region.org)
    with region.database.tenant(region.org) as session:
        number = Certificates(session, region.org).get(arn).id
        Challenges(session, region.org).pose(number, {"a.example": ("t", "t.thumb")})
    for cluster in region.clusters:
        (posed,) = (await region.feed.certificates(region.agent(cluster))).challenges
        assert (posed.domain, posed.token, posed.answer) == ("a.example", "t", "t.thumb")
    with region.database.tenant(other_org) as session:
        assert session.query(tables.AcmeChallenge).all() == []
