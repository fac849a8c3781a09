"""resolve: from what the tenant said to what it means in one cluster.

Pure and total: a definition that has passed `model.check` always has a meaning, and what has none yet is named by
`ineffective`, never passed over. Each thing is resolved by itself, when it is asked for, and kept until something that
was looked up for it has changed.
"""

from isthmus.incremental import Computation, Results
from isthmus.ir import addresses, families, gateways, nodes, services
from isthmus.ir.mesh import Bound, ClusterMesh, Peer
from isthmus.ir.said import Said
from isthmus.ir.surroundings import Surroundings
from isthmus.values import mesh_label


def resolve(computation: Computation, said: Said, around: Surroundings, cluster: str) -> ClusterMesh:
    """One mesh in one cluster."""
    attached = {name: around.clusters[name] for name in sorted(around.clusters) if name in said.attached}
    here, askable = cluster in attached, services.Askable(said.services)
    return ClusterMesh(
        id=around.mesh_id,
        name=said.mesh,
        account=around.account,
        region=around.region,
        label=mesh_label(around.mesh_id),
        suffix=around.base_domain,
        cluster=cluster,
        permissive=said.settings.transport != "strict",
        lets_out=said.spec.egress_filter is not None and said.spec.egress_filter.type == "ALLOW_ALL",
        families=families.of_mesh(said),
        minors=around.minors,
        domains={name: facts.trust_domain for name, facts in attached.items()},
        peers=tuple(Peer(f.name, f.region, f.network) for name, f in attached.items() if here and name != cluster),
        nodes=Results(computation, "node", said.nodes, lambda name: nodes.node(name, said, attached)),
        services=Results(
            computation,
            "service",
            askable,
            lambda name: addresses.addressed(services.service(name, said), said, around.mesh_id),
        ),
        gateways=Results(computation, "gateway", said.gateways, lambda name: gateways.gateway(name, said)),
        bindings=Results(computation, "binding", said.bindings, lambda name: bound(name, said)),
    )


def bound(name: str, said: Said) -> Bound:
    """A binding; it is of a node or of a gateway."""
    spec = said.bindings[name]
    kind, of = ("node", spec.node) if spec.node is not None else ("gateway", spec.gateway)
    assert of is not None, "a binding has one of both, in every definition that has passed its check"
    return Bound(name, "node" if kind == "node" else "gateway", of, spec.match.json_object())
