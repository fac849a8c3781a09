"""Tokens: shown once, found without the org, refused when they should be, and spent by one of many."""

import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from isthmus.errors import NotFound
from isthmus.store import leases, tables, tokens
from isthmus.store.authorities import Authorities
from isthmus.store.clusters import Clusters
from isthmus.store.database import AsyncDatabase, Database
from isthmus.store.join_tokens import JoinTokens, redeem
from isthmus.store.token_text import PATTERN, digest, genuine, mint
from isthmus.store.tokens import Tokens
from tests.contract.store.conftest import Killed, at_once, dying, make_clusters
from tests.databases import Copy

PAST, FUTURE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def made(database: Database, org: UUID, *, expires_at: datetime | None = None) -> tokens.Made:
    with database.tenant(org) as session:
        return Tokens(session, org).create("ci", expires_at=expires_at)


def whose(database: Database, text: str) -> tokens.Bearer | None:
    with database.system() as session:
        return tokens.verify(session, text)


def test_a_token_says_whose_it_is(database: Database, org: UUID) -> None:
    token = made(database, org, expires_at=FUTURE)
    assert whose(database, token.text) == tokens.Bearer(org, token.id, "ci")
    assert "ist_pat_" not in repr(token)


async def test_a_token_says_so_to_the_api_as_well(
    database: Database, async_database: AsyncDatabase, org: UUID, other_org: UUID
) -> None:
    token = made(database, org)
    bearer = await async_database.lookup(lambda session: tokens.verify(session, token.text))
    assert bearer == tokens.Bearer(org, token.id, "ci")


def test_only_a_hash_of_it_is_kept(database: Database, copy: Copy, org: UUID) -> None:
    token = made(database, org)
    with copy.connect() as admin:
        row = admin.execute("SELECT hash, prefix, tokens::text FROM tokens").fetchone()
    assert row
    assert row[0] == digest(token.text)
    assert token.text.startswith(row[1])
    assert len(row[1]) == 16
    assert token.text[16:] not in row[2]


@pytest.mark.parametrize("expires_at", [PAST, FUTURE], ids=["expired", "valid until"])
def test_a_token_ends_with_its_time(database: Database, org: UUID, expires_at: datetime) -> None:
    token = made(database, org, expires_at=expires_at)
    assert (whose(database, token.text) is None) == (expires_at is PAST)


def test_a_revoked_token_is_refused_at_once_and_stays_so(database: Database, org: UUID) -> None:
    token = made(database, org)
    with database.tenant(org) as session:
        Tokens(session, org).revoke(token.id)
    assert whose(database, token.text) is None
    with database.tenant(org) as session:
        (row,) = Tokens(session, org).list()
        first = row.revoked_at
        Tokens(session, org).revoke(token.id)
        session.refresh(row)
        assert row.revoked_at == first
        with pytest.raises(NotFound):
            Tokens(session, org).revoke(uuid4())


def test_another_org_cannot_revoke_it(database: Database, org: UUID, other_org: UUID) -> None:
    token = made(database, org)
    with pytest.raises(NotFound), database.tenant(other_org) as session:
        Tokens(session, other_org).revoke(token.id)
    assert whose(database, token.text)


def test_forged_tokens_are_refused_and_each_is_really_another(database: Database, org: UUID) -> None:
    token = str(made(database, org).text)
    forged = [token[:i] + ("a" if token[i] != "a" else "b") + token[i + 1 :] for i in range(len(token))]
    forged += [token[:-1], token + "0", token.swapcase(), token.replace("pat", "svc"), "", " " + token, token + "\n"]
    forged += [str(mint("pat", lambda letters, n=n: letters[n])) for n in range(3)]  # type: ignore[misc]
    assert [text for text in forged if whose(database, text)] == []
    assert whose(database, token)


@pytest.mark.parametrize("kind", ["pat", "svc", "join", "agt", "scim", "whk"])
def test_the_text_of_a_token_can_be_told_offline(kind: str) -> None:
    text = mint(kind, lambda letters: letters[-1])  # type: ignore[arg-type]
    assert PATTERN.fullmatch(text)
    assert text.startswith(f"ist_{kind}_{'z' * 30}")
    assert genuine(text)
    assert not genuine(text[:-1] + "!")
    assert not genuine(text.replace(f"_{kind}_", "_pat_" if kind != "pat" else "_svc_"))


def join_token(database: Database, org: UUID, cluster: str = "east", **how: timedelta) -> str:
    with database.tenant(org) as session:
        row = Clusters(session, org).get(cluster)
        return str(JoinTokens(session, org).create(row.id, **how).text)


def test_a_join_token_is_spent_once_and_says_for_which_cluster(database: Database, org: UUID) -> None:
    make_clusters(database, org, "east")
    token = join_token(database, org)
    assert token.startswith("ist_join_")
    with database.tenant(org) as session:
        cluster = Clusters(session, org).get("east").id
    with database.system() as session:
        assert redeem(session, digest(token)) == (org, cluster)
    with database.system() as session:
        assert redeem(session, digest(token)) is None
        assert redeem(session, digest(token + "x")) is None


def test_of_50_at_once_exactly_one_spends_it(copy: Copy, org: UUID) -> None:
    database = Database(copy.url, pool_size=50)
    make_clusters(database, org, "east")
    token = digest(join_token(database, org))
    barrier, spent = threading.Barrier(50), []

    def race() -> None:
        barrier.wait()
        with database.system() as session:
            spent.append(redeem(session, token))

    at_once(*[race] * 50)
    database.close()
    assert len(spent) == 50
    assert len([one for one in spent if one]) == 1


def test_a_spender_that_dies_before_it_commits_has_spent_nothing(database: Database, org: UUID) -> None:
    make_clusters(database, org, "east")
    token = digest(join_token(database, org))
    with dying(), database.system() as session:
        assert redeem(session, token)
        raise Killed
    with database.system() as session:
        assert redeem(session, token)


@pytest.mark.parametrize(("seconds", "valid"), [(1, False), (-1, True)], ids=["a second late", "a second early"])
def test_a_join_token_lives_for_15_minutes_of_the_databases_time(
    database: Database,
    copy: Copy,
    org: UUID,
    seconds: int,
    valid: bool,  # noqa: FBT001
) -> None:
    make_clusters(database, org, "east")
    token = digest(join_token(database, org))
    with copy.connect() as admin:
        admin.execute("UPDATE join_tokens SET expires_at = expires_at - %s * interval '1 s'", [900 + seconds])
    with database.system() as session:
        assert (redeem(session, token) is not None) == valid


def test_a_trust_domain_and_a_cluster_say_whose_they_are(database: Database, org: UUID) -> None:
    make_clusters(database, org, "east")
    with database.tenant(org) as session:
        cluster = Clusters(session, org).get("east").id
        Authorities(session, org).add(cluster, "east-1.acme.test", b"der", b"key", FUTURE)
    with database.system() as session:
        found = session.execute(text("SELECT * FROM org_of_trust_domain('east-1.acme.test')")).one()
        assert tuple(found) == (org, cluster)
        assert session.execute(text("SELECT * FROM org_of_trust_domain('west')")).all() == []
        assert session.scalar(text("SELECT org_id FROM org_of_cluster(:c)"), {"c": cluster}) == org


def test_lapsed_leases_and_running_rollouts_are_found_across_orgs(database: Database, copy: Copy, org: UUID) -> None:
    make_clusters(database, org, "east", "west", "north")
    with copy.connect() as admin:
        admin.execute("UPDATE clusters SET state = 'live', lease_until = now() - interval '1 s' WHERE name = 'east'")
        admin.execute("UPDATE clusters SET state = 'live', lease_until = now() + interval '9 s' WHERE name = 'west'")
    with database.tenant(org) as session:
        east = Clusters(session, org).get("east").id
    with database.system() as session:
        assert list(leases.lapsed(session)) == [(org, east)]
        assert list(leases.running_rollouts(session)) == []
    with database.tenant(org) as session:
        leases.lapse(session, org, east)
        assert session.get_one(tables.Cluster, (org, east)).state == "unknown"
