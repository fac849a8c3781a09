"""surroundings: what a compile must know that the tenant did not say: ids, clusters, trust domains, Envoy versions."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """A cluster of the org. Clusters of one `network` reach each other's instances directly."""

    id: UUID
    name: str
    region: str
    network: str
    trust_domain: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`clusters`: by name, those that take part as far as the definition attaches them too.

    `minors`: the Envoy minors that views are made for (design-notes 18).
    """

    mesh_id: UUID
    account: str
    region: str
    org_slug: str
    base_domain: str
    clusters: Mapping[str, ClusterFacts]
    minors: tuple[str, ...] = ("1.40",)
