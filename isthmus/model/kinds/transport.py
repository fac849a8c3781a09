"""Transport: whether one virtual node may be called in plaintext, where that is not what its mesh says.

It lasts, as placements do (`kinds/topology.py`): a node that is taken down and put up again is as guarded as before.
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import ConfigDict

from isthmus.model.key import Key
from isthmus.model.kind import Reference, ResourceKind
from isthmus.model.structure import Structure


class TransportSpec(Structure):
    """How a node is called where no authenticated proxy stands before it; its name is the node's."""

    model_config = ConfigDict(alias_generator=None)

    mode: Literal["permissive", "strict"]


def _of_node(key: Key, _spec: TransportSpec) -> Iterator[Reference]:
    yield "/name", Key("VirtualNode", key.name)


KIND = ResourceKind("Transport", TransportSpec, "transports", references=_of_node, lasting=True)
