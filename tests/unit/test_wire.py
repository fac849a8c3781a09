"""wire: SNI in every version that is spoken, and who may say which to whom, with versions that are to come."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.wire import FIRST, V1, VERSIONS, Sni, Version, accepted, of_any, spoken, wildcards

LABEL = "n6mj2g6lq3ibdlic7yamatfep4"
ASKED = Sni("slot123456", 8080, "service123456", LABEL)
IDS = st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=1, max_size=13)


def _read(head: Sequence[str]) -> tuple[str, int, str]:
    port, rest = head
    slot, _, service = rest.partition("-")
    return slot, int(port), service


V2 = Version("v2", lambda asked: f"{asked.port}.{asked.slot}-{asked.service}", _read)
V3 = Version(
    "v3", lambda asked: f"{asked.service}.{asked.port}.{asked.slot}", lambda head: (head[2], int(head[1]), head[0])
)
ALL = (V3, V2, V1)


@given(IDS, st.integers(1, 65535), IDS, IDS)
def test_a_name_is_read_as_it_was_said_in_every_version(slot: str, port: int, service: str, label: str) -> None:
    asked = Sni(slot, port, service, label)
    for version in ALL:
        assert Sni.parse(asked.text("mesh.example", version), "mesh.example", ALL) == asked


@given(IDS, st.integers(1, 65535), IDS, IDS)
def test_whoever_asks_for_one_can_ask_for_any(slot: str, port: int, service: str, label: str) -> None:
    asked = Sni(slot, port, service, label)
    for version in ALL:
        said = of_any(asked.text("mesh.example", version), ALL)
        assert said == asked._replace(slot="any").text("mesh.example", version)
    with pytest.raises(ValueError, match="is no SNI of a mesh"):
        of_any(asked.text("mesh.example", V2))


def test_the_first_version_is_as_the_contract_spells_it() -> None:
    assert ASKED.text() == f"slot123456.8080.service123456.{LABEL}.v1.isthmus.internal"


@pytest.mark.parametrize(
    "text",
    [
        "", "any", "xds", f"{LABEL}.v1.isthmus.internal", f"any.8080.{LABEL}.v1.isthmus.internal",
        f"a.any.8080.s.{LABEL}.v1.isthmus.internal", f"any.x.s.{LABEL}.v1.isthmus.internal",
        f"any.٣.s.{LABEL}.v1.isthmus.internal", f"any.80.s.{LABEL}.v0.isthmus.internal",
        f"any.80.s.{LABEL}.v2.isthmus.internal", f"any.80.s.{LABEL}.v1.other.internal",
    ],
)  # fmt: skip
def test_what_no_version_says_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match="is no SNI of a mesh"):
        Sni.parse(text)


def test_gateways_let_in_the_newest_two() -> None:
    assert accepted((V1,)) == (V1,)
    assert accepted(ALL) == (V3, V2)
    assert list(wildcards(LABEL, "m.example", ALL)) == [f"*.{LABEL}.v3.m.example", f"*.{LABEL}.v2.m.example"]


@pytest.mark.parametrize(
    ("accepts", "versions", "expected"),
    [
        (FIRST, (V1,), V1),
        (FIRST, (V2, V1), V1),
        (FIRST, ALL, V1),
        (("v2", "v1"), (V2, V1), V2),
        (("v2", "v1"), ALL, V2),
        (("v3", "v2"), (V2, V1), V2),
        (("v4", "v3"), ALL, V3),
        (("v9", "v8"), ALL, V1),
    ],
    ids=[
        "today",
        "a cluster that does not say accepts the first",
        "a cluster two releases behind is called in its own version",
        "both are new: the newest",
        "a cluster one release behind",
        "a cluster one release ahead",
        "a cluster that has one more: the newest of ours",
        "nothing is shared: it will be refused, and not be mistaken for anything",
    ],
)
def test_a_cluster_is_asked_in_the_newest_version_that_both_know(
    accepts: tuple[str, ...], versions: Sequence[Version], expected: Version
) -> None:
    assert spoken(accepts, versions) == expected


def test_what_is_accepted_can_be_said() -> None:
    assert {v.name for v in accepted()} <= {v.name for v in VERSIONS}
    assert len({v.name for v in VERSIONS}) == len(VERSIONS)
