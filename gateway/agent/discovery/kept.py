"""kept: the last addresses of every question on disk, so that an agent that starts while DNS is away has them.

What is read says nothing of now, so it counts as stale until the first answer.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from gateway.agent.discovery.answers import Known, Sight
from gateway.edge import disk
from gateway.edge.lines import line
from isthmus.ir.found import Discovery
from isthmus.xds import discovered
from isthmus.xds.resolved import Address

LOG = logging.getLogger("isthmus.agent.discovery")
NOT_YET = "there has been no answer since the agent started"


def write(path: Path, sights: Mapping[Discovery, Sight]) -> None:
    """Replace what is kept."""
    said = [{"asked": discovered.said(q), "addresses": s.addresses} for q, s in sights.items() if s.addresses]
    disk.write(path, json.dumps(said).encode())


def read(path: Path) -> dict[Discovery, Known]:
    """What was written last, to be asked at once; what this version cannot read is left out."""
    out: dict[Discovery, Known] = {}
    for each in json.loads(disk.read(path) or b"[]"):
        try:
            question = discovered.read(each["asked"])
            addresses = tuple(Address(ip, health) for ip, health in each["addresses"])
        except (KeyError, TypeError, ValueError) as unknown:
            LOG.warning(line("kept_unknown", file=path, said=each, error=repr(unknown)))
            continue
        if question is not None:
            out[question] = Known(Sight(addresses, stale=True, error=NOT_YET))
    return out
