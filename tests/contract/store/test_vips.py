"""The addresses of virtual services, on the real store: each one's own while it stands, and for a day after."""

import time
from dataclasses import replace
from datetime import timedelta
from functools import partial
from ipaddress import IPv4Address, IPv4Network

import pytest
from alembic import command
from sqlalchemy import NullPool, create_engine

from isthmus.model.definition import Definition, Settings
from isthmus.model.key import Key
from isthmus.model.vips import DEFAULT, VipsExhausted, assigned
from isthmus.store.migrate import configuration, upgrade
from isthmus.store.vips import REST
from tests import build
from tests.contract.store.conftest import Shop, at_once
from tests.databases import Copy

DAY = REST.total_seconds()


def key(name: str) -> Key:
    return Key("VirtualService", name)


def vip(shop: Shop, name: str, at: int | None = None) -> str | None:
    stored = shop.get(key(name), at)
    return None if stored is None else stored.vip


def ranged(shop: Shop, within: str, *names: str) -> None:
    """The mesh with these services, and a range to take addresses of new ones from."""
    services = {key(name): build.service(name) for name in names}
    shop.replace(Definition("shop", settings=Settings(vips=within), documents=services))


def test_a_service_has_an_address_from_the_first_and_keeps_it(shop: Shop) -> None:
    accepted = shop.put(build.node("blue"), build.service("a.local"))
    first = accepted.stored[key("a.local")].vip
    assert first == vip(shop, "a.local") == str(assigned(["a.local"], DEFAULT)["a.local"])
    shop.put(build.service("a.local", node="blue"))
    shop.put(build.service("a.local", node="blue", tags={"team": "a"}))
    assert vip(shop, "a.local") == first
    assert shop.run(lambda r: r.vips.all(1)) == shop.run(lambda r: r.vips.all(3)) == {"a.local": first}
    stored = shop.get(Key("VirtualNode", "blue"))
    assert stored is not None
    assert stored.vip is None


def test_a_service_that_comes_back_within_a_day_has_its_own_again_and_nobody_else_had_it(shop: Shop) -> None:
    ranged(shop, "240.0.0.0/29", *(f"s{i}" for i in range(6)))
    first = vip(shop, "s3")
    shop.delete(key("s3"))
    shop.later(DAY - 1)
    with pytest.raises(VipsExhausted):
        shop.put(build.service("other"))
    shop.put(build.service("s3"))
    assert vip(shop, "s3") == first


def test_after_a_day_an_address_is_anybodys(shop: Shop) -> None:
    ranged(shop, "240.0.0.0/29", *(f"s{i}" for i in range(6)))
    first = vip(shop, "s3")
    shop.delete(key("s3"))
    shop.later(DAY)
    shop.put(build.service("other"))
    assert vip(shop, "other") == first
    with pytest.raises(VipsExhausted) as refused:
        shop.put(build.service("s3"))
    assert refused.value.code == "vips_exhausted"


def test_history_is_no_reason_to_keep_an_address(shop: Shop) -> None:
    """What was edited long ago stood until then with the address that it has now, or that another has."""
    shop.put(build.service("a.local"))
    first = vip(shop, "a.local")
    for _ in range(3):
        shop.later(2 * DAY)
        shop.delete(key("a.local"))
        shop.later(2 * DAY)
        shop.put(build.service("a.local"))
    assert vip(shop, "a.local") == first


def test_another_range_is_for_new_services(shop: Shop) -> None:
    shop.put(build.service("a.local"))
    first = vip(shop, "a.local")
    ranged(shop, "240.0.0.0/24", "a.local", "b.local")
    shop.put(build.service("c.local"))
    assert vip(shop, "a.local") == first
    for name in ("b.local", "c.local"):
        assert IPv4Address(vip(shop, name) or "") in IPv4Network("240.0.0.0/24")


def test_racing_writers_never_give_the_same_address(shop: Shop) -> None:
    ranged(shop, "240.0.0.0/27")
    names = [f"s{i}" for i in range(24)]
    at_once(*(partial(shop.put, build.service(name)) for name in names))
    assert len({vip(shop, name) for name in names}) == 24


def test_a_refused_revision_gives_nothing_away(shop: Shop) -> None:
    ranged(shop, "240.0.0.0/29", "a.local")
    with pytest.raises(VipsExhausted):
        shop.put(*(build.service(f"s{i}") for i in range(6)))
    assert shop.run(lambda r: r.vips.all(10)).keys() == {"a.local"}


def test_a_thousand_services_in_one_write_take_no_longer_for_it(shop: Shop) -> None:
    services = [build.service(f"s{i}.local") for i in range(1000)]
    shop.replace(Definition("shop", documents={each.key: each for each in services}))
    began = time.perf_counter()
    given = shop.run(lambda r: r.vips.give([f"t{i}" for i in range(1000)], DEFAULT, shop.now))
    took = time.perf_counter() - began
    standing = shop.run(lambda r: r.vips.all(1))
    assert len({*given.values(), *standing.values()}) == 2000
    assert took < 2, f"{took:.3f} s: it is some 20 ms alone"


def test_what_has_no_address_yet_gets_one_when_it_is_written(shop: Shop, copy: Copy) -> None:
    """Services that an older release made while the schema was new already."""
    shop.put(build.node("blue"), build.service("a.local"))
    with copy.connect() as admin:
        admin.execute("UPDATE resource_versions SET vip = NULL")
    assert vip(shop, "a.local") is None
    assert shop.run(lambda r: r.vips.all(1)) == {}
    shop.put(build.service("a.local", node="blue"))
    assert vip(shop, "a.local") is not None


def test_services_that_stood_before_there_were_addresses_are_given_theirs(shop: Shop, copy: Copy) -> None:
    shop.put(build.node("blue"), build.service("a.local"), build.service("gone.local"))
    shop.put(build.service("a.local", node="blue"))
    shop.delete(key("gone.local"))
    with copy.connect() as admin:
        admin.execute("UPDATE resource_versions SET vip = NULL")
    engine = create_engine(copy.owner_url, poolclass=NullPool)
    with engine.connect() as connection:
        command.downgrade(configuration(connection=connection), "0002")
    upgrade(copy.owner_url)
    assert vip(shop, "a.local") == str(assigned(["a.local"], DEFAULT)["a.local"])
    assert vip(shop, "a.local", at=1) is None, "history is as it was"
    with copy.connect() as admin:
        walled = "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname = 'resource_versions'"
        assert admin.execute(walled).fetchone() == (True, True)


def test_the_same_definition_again_changes_no_address(shop: Shop) -> None:
    definition = build.mesh(build.service("b.local"))
    shop.replace(definition)
    before = shop.run(lambda r: r.vips.all(1))
    shop.now += timedelta(seconds=5)
    assert shop.replace(replace(definition, tags={"a": "b"})).revision == 2
    assert shop.run(lambda r: r.vips.of(["b.local", "nobody"], 2)) == {"b.local": before["b.local"]}
