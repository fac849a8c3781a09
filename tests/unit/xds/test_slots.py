"""Slots: closed, ordered, part of the listener's bytes: this list changes only with a drain of every proxy."""

from isthmus.xds import slots
from isthmus.xds.slots import Layer


def test_the_order_is_the_contracts() -> None:
    assert [slot.name for slot in slots.HTTP] == [
        "fence",
        "jwt",
        "ext-authz",
        "access",
        "rate-limit-local",
        "rate-limit-global",
        "cors",
        "body",
        "compression",
        "fault",
        "header",
        "extension-1",
        "extension-2",
    ]
    assert [slot.name for slot in slots.TCP] == ["fence", "access", "rate-limit"]


def test_the_security_slots_deny_by_default_and_the_others_do_not() -> None:
    assert {s.name for s in slots.HTTP if s.guards} == {"fence", "jwt", "ext-authz", "access"}
    assert {s.name for s in slots.TCP if s.guards} == {"fence", "access"}
    for slot, made in zip(slots.HTTP, slots.http_filters("x"), strict=False):
        assert (b"\x08\x01" in made.config_discovery.default_config.value) == slot.guards


def test_every_slot_is_filled() -> None:
    discovered = [f.name for f in slots.http_filters("x") if f.HasField("config_discovery")]
    assert [r.name for r in slots.inert("x", Layer.HTTP)] == discovered
    assert [r.name for r in slots.inert("x", Layer.TCP)] == [f.name for f in slots.tcp_filters("x")]
