"""kept: the last addresses of every question on disk, so that an agent that starts while DNS is away has them.

What is read says nothing of now, so it counts as stale until the first answer.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from gateway.agent.discovery.answers import Known, Sight
from gateway.edge import disk
from isthmus.ir.found import Discovery
from isthmus.xds import discovered
from isthmus.xds.resolved import Address

NOT_YET = "there has been no answer since the agent started"


def write(path: Path, sights: Mapping[Discovery, Sight]) -> None:
    """Replace what is kept."""
    said = [{"asked": discovered.said(q), "addresses": s.addresses} for q, s in sights.items() if s.addresses]
    disk.write(path, json.dumps(said).encode())


def read(path: Path) -> dict[Discovery, Known]:
    """What was written last, to be asked at once; questions that this version does not know are left out."""
    out: dict[Discovery, Known] = {}
    for each in json.loads(disk.read(path) or b"[]"):
        question = discovered.read(each["asked"])
        if question is not None:
            addresses = tuple(Address(*address) for address in each["addresses"])
            out[question] = Known(Sight(addresses, stale=True, error=NOT_YET))
    return out
