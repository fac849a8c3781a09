"""oldest: the oldest Envoy that App Mesh's image may be, and what our views have that came after it.

AWS's last image is Envoy 1.34 (appmesh.md §4.2) while views are made for the newest. An older Envoy passes over fields
that it does not know, but refuses the whole listener or cluster for one extension whose type it does not know. So what
is newer is left out for each image, whatever its version: there is one composition, with a closed list of what may be
in it (tests/unit/xds/test_oldest.py), which the oldest and the newest Envoy that can be had both accept
(tests/contract/envoy/test_oldest.py).
"""

from collections.abc import Mapping
from typing import NamedTuple

from google.protobuf.any_pb2 import Any


class Version(NamedTuple):
    """A minor version of Envoy."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


OLDEST = Version(1, 34)

NEWER: Mapping[str, Version] = {"envoy.extensions.access_loggers.stats.v3.Config": Version(1, 37)}
"""Extensions in views that `OLDEST` does not have, and the Envoy that brought each, as its release notes say."""


def known(config: Any) -> bool:
    """Whether `OLDEST` has the extension that this is the configuration of."""
    return config.type_url.rpartition("/")[2] not in NEWER
