"""discovered: a node's service discovery as JSON, in the agent's view and in what an agent keeps on its disk.

A way that this version does not know is read as none: its node has the instances that are bound, and no others.
"""

from collections.abc import Mapping
from typing import Any

from isthmus.ir.found import CloudMap, Discovery, Dns


def said(discovery: Discovery) -> dict[str, Any]:
    """What `read` reads."""
    match discovery:
        case Dns(hostname, single, families):
            return {"dns": {"hostname": hostname, "single": single, "families": list(families)}}
        case CloudMap(namespace, service, attributes, families):
            pairs = [list(pair) for pair in attributes]
            named = {"namespace": namespace, "service": service}
            return {"cloud_map": named | {"attributes": pairs, "families": list(families)}}


def read(json: Mapping[str, Any]) -> Discovery | None:
    """The inverse of `said`."""
    match json:
        case {"dns": dns}:
            return Dns(dns["hostname"], dns["single"], tuple(dns["families"]))
        case {"cloud_map": there}:
            attributes = tuple((key, value) for key, value in there["attributes"])
            return CloudMap(there["namespace"], there["service"], attributes, tuple(there["families"]))
    return None
