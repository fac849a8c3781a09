"""What of an offer is accepted: all of it or nothing."""

from collections.abc import Callable

import pytest

from gateway.agent.offers import Refused, accept, good
from gateway.proto import link_pb2 as link
from isthmus.xds.snapshot import AGENT_VIEW
from tests.unit.agent.given import offer


def test_an_offer_is_kept_as_it_came() -> None:
    given = offer()
    mesh = accept(given, {})
    again = accept(mesh.message(), {})
    assert (again.position, again.phase, again.manifest) == (given.position, given.phase, mesh.manifest)
    assert again.resources == mesh.resources
    assert set(mesh.versions) == set(mesh.manifest.views) - {AGENT_VIEW}


def test_bodies_that_are_held_need_not_come_again() -> None:
    held = accept(offer(), {}).resources
    assert accept(offer(bodies=False), held).resources == held


def altered(given: link.Offer) -> None:
    given.bodies[0].body += b"x"


def renamed(given: link.Offer) -> None:
    given.bodies[0].name = "another"


def of_no_type(given: link.Offer) -> None:
    given.bodies[0].type = "cdn"


def incomplete(given: link.Offer) -> None:
    del given.bodies[0]


def unreadable(given: link.Offer) -> None:
    given.manifest = b"{"


def of_wrong_shape(given: link.Offer) -> None:
    given.manifest = b"[]"


def of_another_version(given: link.Offer) -> None:
    given.position.version = "0" * 16


def of_another_mesh(given: link.Offer) -> None:
    given.position.mesh = "00000000-0000-0000-0000-000000000001"


def without_agent_view(given: link.Offer) -> None:
    given.manifest, given.position.version = b"{}", "99914b932bd37a50"


CHANGES = [
    altered, renamed, of_no_type, incomplete, unreadable, of_wrong_shape, of_another_version, of_another_mesh,
    without_agent_view,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: c.__name__)
def test_half_an_offer_is_refused(change: Callable[[link.Offer], None]) -> None:
    given = offer()
    change(given)
    with pytest.raises(Refused):
        accept(given, {})


def test_bodies_of_a_refused_offer_are_still_ours() -> None:
    given = offer()
    altered(given)
    assert len(good(given.bodies)) == len(given.bodies) - 1
