"""resolving: what a definition means in a cluster, for tests of the meaning alone."""

from isthmus.incremental import Computation
from isthmus.ir.mesh import ClusterMesh
from isthmus.ir.resolve import resolve
from isthmus.ir.said import Documents, Said
from isthmus.model.definition import Definition
from isthmus.xds.compile import offline_vips
from tests.golden.cases import surroundings


def resolved(definition: Definition, cluster: str = "east") -> ClusterMesh:
    """The meaning of a definition in one of the clusters of the golden cases."""
    computation = Computation()
    Documents(computation).put(definition.documents.items(), offline_vips(definition))
    attached = frozenset(key.name for key in definition.documents if key.kind == "Attachment")
    said = Said.of(computation, definition.name, definition.spec, definition.settings, attached)
    return resolve(computation, said, surroundings(), cluster)
