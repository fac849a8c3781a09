"""compile: a whole mesh for one cluster, in one call: resolve, translate, and what had no effect."""

from typing import NamedTuple

from isthmus.ir.mesh import Ineffective
from isthmus.ir.resolve import resolve
from isthmus.ir.surroundings import Surroundings
from isthmus.model.definition import Definition
from isthmus.xds.snapshot import Snapshot
from isthmus.xds.translate import translate

COMPILER = "2"
"""An input of every snapshot (design-notes 17): raised whenever the same definition compiles to other bytes."""


class Compiled(NamedTuple):
    """A snapshot, and what the definition says without effect."""

    snapshot: Snapshot
    ineffective: tuple[Ineffective, ...]


def compile_mesh(definition: Definition, around: Surroundings, cluster: str) -> Compiled:
    """A definition that has passed `model.check`, for one cluster. The same input gives the same bytes."""
    ir = resolve(definition, around, cluster)
    return Compiled(translate(ir), ir.ineffective)
