"""resolve: from what the tenant said to what it means in one cluster.

Pure and total: a definition that has passed `model.check` always has a meaning, and what has none yet is named in
`ineffective`, never passed over. A mesh that does not take in this cluster means nothing here.
"""

from collections.abc import Iterator

from isthmus.ir import gateways, ineffective, nodes, services
from isthmus.ir.mesh import Bound, ClusterMesh, Peer
from isthmus.ir.said import Said
from isthmus.ir.surroundings import Surroundings
from isthmus.model.definition import Definition
from isthmus.values import mesh_label


def resolve(definition: Definition, around: Surroundings, cluster: str) -> ClusterMesh:
    """One mesh in one cluster; `domains` lacks the cluster if the mesh is not attached to it."""
    said = Said.of(definition)
    attached = {name: around.clusters[name] for name in sorted(around.clusters) if name in said.attached}
    known = {name: nodes.node(name, said, attached) for name in sorted(said.nodes)}
    here = cluster in attached
    return ClusterMesh(
        id=around.mesh_id,
        name=definition.name,
        account=around.account,
        region=around.region,
        label=mesh_label(around.mesh_id),
        suffix=around.base_domain,
        cluster=cluster,
        permissive=definition.settings.transport != "strict",
        minors=around.minors,
        domains={name: facts.trust_domain for name, facts in attached.items()},
        nodes=known,
        placed=tuple(node for node in known.values() if cluster in node.places),
        services={name: services.service(name, said) for name in sorted(said.services) if services.askable(name)},
        gateways=tuple(gateways.gateway(name, said) for name in sorted(said.gateways)) if here else (),
        peers=tuple(Peer(f.name, f.region, f.network) for name, f in attached.items() if here and name != cluster),
        bindings=tuple(_bindings(said)) if here else (),
        ineffective=tuple(ineffective.found(definition, said, frozenset(attached))),
        lets_out=definition.spec.egress_filter is not None and definition.spec.egress_filter.type == "ALLOW_ALL",
    )


def _bindings(said: Said) -> Iterator[Bound]:
    for name, spec in sorted(said.bindings.items()):
        match = spec.match.json_object()
        if spec.node is not None:
            yield Bound(name, "node", spec.node, match)
        elif spec.gateway is not None:
            yield Bound(name, "gateway", spec.gateway, match)
