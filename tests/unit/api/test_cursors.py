"""A page token is good for its org, its list and a day."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from api.cursors import LIFE, Cursors
from isthmus.errors import Invalid

NOW = datetime(2026, 11, 24, tzinfo=UTC)
ORG, OTHER = UUID(int=1), UUID(int=2)
CURSORS = Cursors(b"key")
TOKEN = CURSORS.make(ORG, "/v1/meshes", "ä/b", NOW)


def test_what_was_made_is_read() -> None:
    assert CURSORS.read(ORG, "/v1/meshes", TOKEN, NOW + LIFE) == "ä/b"
    assert CURSORS.read(ORG, "/v1/meshes", None, NOW) is None


@pytest.mark.parametrize(
    ("key", "org", "listing", "token", "now"),
    [
        (b"key", OTHER, "/v1/meshes", TOKEN, NOW),
        (b"key", ORG, "/v1/clusters", TOKEN, NOW),
        (b"key", ORG, "/v1/meshes", TOKEN, NOW + LIFE + timedelta(seconds=1)),
        (b"another", ORG, "/v1/meshes", TOKEN, NOW),
        (b"key", ORG, "/v1/meshes", TOKEN[:-1], NOW),
        (b"key", ORG, "/v1/meshes", "", NOW),
        (b"key", ORG, "/v1/meshes", "é", NOW),
    ],
    ids=["another org", "another list", "a day later", "another installation", "cut", "empty", "not ascii"],
)
def test_anything_else_is_refused(key: bytes, org: UUID, listing: str, token: str, now: datetime) -> None:
    with pytest.raises(Invalid) as refused:
        Cursors(key).read(org, listing, token, now)
    assert [v.code for v in refused.value.violations] == ["bad_page_token"]
