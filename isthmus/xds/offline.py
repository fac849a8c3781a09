"""offline: a definition compiled without a control plane: what stands for ids, clusters and trust domains there.

All of it is made from names, so the same file gives the same bytes on every machine. Bodies differ from those of an
installation in these ids only: the mesh's label in SNIs, trust domains in SPIFFE IDs.
"""

from dataclasses import replace
from uuid import UUID, uuid5

from isthmus.ir.surroundings import ClusterFacts, Surroundings
from isthmus.model.definition import Definition
from isthmus.model.document import Document
from isthmus.model.key import Key
from isthmus.model.kinds import KINDS
from isthmus.values import BASE_DOMAIN, TrustDomain

LOCAL = "local"
"""The one cluster, and the region and org of everything, where nobody says."""

ACCOUNT = "000000000000"
_IDS = UUID("4f2d7f0e-6c5b-5a64-9d0c-2b6a4e8f1c35")
_PLACES = ("Attachment", "Placement")


def mesh_id(mesh: str) -> UUID:
    """What stands for the mesh's id."""
    return uuid5(_IDS, f"mesh/{mesh}")


def attached(definition: Definition) -> tuple[str, ...]:
    """The clusters that a definition attaches, sorted."""
    return tuple(sorted(key.name for key in definition.documents if key.kind == "Attachment"))


def everywhere(definition: Definition) -> tuple[Definition, tuple[Key, ...]]:
    """The definition in the one cluster `local`, where every node runs; and the documents that have no say there."""
    ignored = tuple(sorted(key for key in definition.documents if key.kind in _PLACES))
    local = Key("Attachment", LOCAL)
    kept = {key: document for key, document in definition.documents.items() if key not in ignored}
    placed = {local: Document(local, KINDS["Attachment"].spec())} | kept
    return replace(definition, documents=placed), ignored


def surroundings(definition: Definition) -> Surroundings:
    """Ids and trust domains for the clusters that the definition attaches, each a network of its own."""
    clusters = {
        name: ClusterFacts(
            id=uuid5(_IDS, f"cluster/{name}"),
            name=name,
            region=LOCAL,
            network=name,
            trust_domain=TrustDomain.of(name, 1, LOCAL).text,
        )
        for name in attached(definition)
    }
    return Surroundings(
        mesh_id=mesh_id(definition.name),
        account=ACCOUNT,
        region=LOCAL,
        org_slug=LOCAL,
        base_domain=BASE_DOMAIN,
        clusters=clusters,
    )
