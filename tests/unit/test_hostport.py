"""hostport: HOST:PORT, and what only looks like it."""

import pytest

from isthmus.hostport import joined, parted


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("a.example:80", "a.example", 80), ("10.0.0.1:1", "10.0.0.1", 1), ("[::1]:443", "::1", 443)],
)
def test_what_is_said_is_taken_apart_and_put_together(text: str, host: str, port: int) -> None:
    assert parted(text) == (host, port)
    assert joined(host, port) == text


def test_brackets_may_be_left_out_and_are_put_where_they_belong() -> None:
    assert joined(*parted("fd00::1:443")) == "[fd00::1]:443"


@pytest.mark.parametrize(
    "text", ["", "a", ":80", "a:", "a:b", "[]:80", "[::1]", "[::1]80", "[::1:80", "::1]:80", "a:٣", "a:-1"]
)
def test_what_cannot_be_told_apart_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        parted(text)
