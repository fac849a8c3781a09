"""unbound: virtual nodes with a service discovery of their own that no cluster has bound instances of.

Their callers reach them as App Mesh's did, without a proxy before them: in plaintext, and without an identity. Whoever
moves over from App Mesh begins with all of them and binds one after the other, so it is told which are left.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from isthmus.model.document import Document
from isthmus.model.kinds.virtual_node import VirtualNodeSpec

Said = Mapping[str, Mapping[str, Any]]
"""What the attached clusters say they have of a mesh, by name."""


def unbound(document: Document, summaries: Said) -> dict[str, Any] | None:
    """`{clusters: [{cluster, source, asked, addresses, stale, error}]}`: where it is called from, and what came of it.

    None for a node that is bound somewhere, or says no service discovery, or that no cluster has spoken of yet.
    """
    spec = document.spec
    if not isinstance(spec, VirtualNodeSpec) or spec.service_discovery is None or not summaries:
        return None
    node = document.key.name
    if any(_bound(node, said) for said in summaries.values()):
        return None
    return {
        "clusters": [told for cluster in sorted(summaries) for told in _resolved(node, cluster, summaries[cluster])]
    }


def _bound(node: str, said: Mapping[str, Any]) -> bool:
    """An agent of before tells of its bound nodes only what it exports."""
    return node in said.get("bound", ()) or any(each["node"] == node for each in said.get("nodes", ()))


def _resolved(node: str, cluster: str, said: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for each in said.get("resolved", ()):
        if each["node"] == node:
            yield {"cluster": cluster} | {key: value for key, value in each.items() if key != "node"}
