"""clusters: registering one makes its trust domain and root; a join token lets its agent in, once, for 15 minutes."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from api import bodies, conditions
from api.conditions import Precondition
from api.openapi import says
from api.v1.context import Call, Calling, Paged
from api.v1.idempotency import once
from api.v1.shapes import parse_fields
from isthmus.errors import Unavailable
from isthmus.model.reading import Findings
from isthmus.store import hubs, orgs, tables
from isthmus.store.authorities import Authorities
from isthmus.store.clusters import Clusters
from isthmus.store.join_tokens import JoinTokens
from isthmus.store.replicas import Replicas
from isthmus.values import TrustDomain, dns_label, region

router = APIRouter(tags=["clusters"])
PATH = "/clusters/{cluster:segment}"


def cluster_of(session: Session, calling: Call, row: tables.Cluster) -> dict[str, Any]:
    """The page of facts of one cluster."""
    replicas = Replicas(session, calling.org).of_cluster(row.id)
    return {
        "name": row.name,
        "id": str(row.id),
        "region": row.region,
        "network": row.network,
        "state": row.state,
        "lease_until": row.lease_until.isoformat() if row.lease_until else None,
        "trust_domain": Authorities(session, calling.org).active(row.id).trust_domain,
        "agents": [
            {
                "replica": r.name,
                "version": r.version,
                "features": r.features,
                "seen_at": r.seen_at.isoformat() if r.seen_at else None,
                "hub": r.hub,
                "wardens": r.wardens,
                "proxies": r.proxies,
                "applied": r.applied,
                "certificate_expires": r.certificate_expires.isoformat(),
                "evicted": r.evicted_at is not None,
            }
            for r in replicas
        ],
        "created_at": row.created_at.isoformat(),
    }


@router.get("/clusters", operation_id="listClusters", openapi_extra=says("ClusterList"))
async def list_clusters(calling: Calling, page: Paged) -> dict[str, Any]:
    """The org's clusters, by name."""

    def rows(session: Session, after: str | None, limit: int) -> list[tuple[str, dict[str, Any]]]:
        listed = Clusters(session, calling.org).list(after, limit)
        return [(row.name, cluster_of(session, calling, row)) for row in listed]

    return await page.of(rows)


@dataclass(frozen=True, slots=True)
class Registration:
    """What a new cluster says of itself: `{name, region, network?}`."""

    name: str
    region: str
    network: str

    @classmethod
    def parse(cls, raw: Any) -> "Registration":  # noqa: ANN401 - JSON
        """Invalid with every violation. A cluster's network is its own unless it says that it shares one."""
        given, found = parse_fields(raw, required=("name", "region"), optional=("network",)), Findings()
        name = found.of(lambda: dns_label(given["name"], "/name", "a cluster's name"))
        where = found.of(lambda: region(given["region"]))
        network = found.of(lambda: dns_label(given.get("network", given["name"]), "/network", "a network's name"))
        found.refuse()
        assert name and where and network, "what is wrong has been found"  # noqa: PT018 - one thought
        return cls(name, where, network)


@router.post(
    "/clusters", operation_id="createCluster", status_code=201, openapi_extra=says("Cluster", body="NewCluster", at=201)
)
async def create_cluster(calling: Calling, request: Request) -> Response:
    """Register a cluster. Its network is its own unless it says that it shares one."""
    said = await bodies.read_json(request)
    new = Registration.parse(said)

    def work(session: Session) -> dict[str, Any]:
        row = Clusters(session, calling.org).create(new.name, new.region, new.network, now=calling.now)
        slug = orgs.find(session, calling.org).slug
        domain = TrustDomain.of(new.name, row.trust_generation, slug, calling.settings.base_domain)
        root = request.app.state.roots.make(domain, calling.now)
        Authorities(session, calling.org).add(row.id, domain.text, root.certificate, root.sealed_key, root.not_after)
        return cluster_of(session, calling, row)

    return await once(calling, request, said, work, status=201, headers={"Location": f"/v1/clusters/{new.name}"})


@router.get(PATH, operation_id="getCluster", openapi_extra=says("Cluster"))
async def get_cluster(calling: Calling, cluster: str) -> dict[str, Any]:
    """One cluster's page of facts."""
    return await calling.run(lambda s: cluster_of(s, calling, Clusters(s, calling.org).get(cluster)))


@router.delete(PATH, operation_id="deleteCluster", openapi_extra=says("DeletedCluster"))
async def delete_cluster(calling: Calling, expected: Precondition, cluster: str) -> dict[str, Any]:
    """Forget a cluster that no mesh uses: its agents are refused from then on. Its trust domain is never reused."""
    conditions.without_revision(expected, "a cluster")
    await calling.run(lambda session: Clusters(session, calling.org).delete(cluster))
    return {"deleted": cluster}


@router.post(
    f"{PATH}/join-tokens",
    operation_id="createJoinToken",
    status_code=201,
    openapi_extra=says("JoinToken", body="Nothing", at=201),
)
async def create_join_token(calling: Calling, cluster: str, request: Request) -> Response:
    """A token for one agent replica, shown once, with the command that uses it."""
    said = await bodies.read_json(request, empty={})
    parse_fields(said, required=())
    pin = request.app.state.hub_ca_pin

    def work(session: Session) -> dict[str, Any]:
        row = Clusters(session, calling.org).get(cluster)
        near = [hub.enrolment for hub in hubs.fresh(session, row.region)]
        if not near:
            raise Unavailable("no hub is up; the token would have nowhere to go")
        made = JoinTokens(session, calling.org).create(row.id)
        command = f"isthmus agent --hub {','.join(near)} --hub-ca {pin} --join-token {made.text}"
        return {
            "token": made.text,
            "expires_at": made.expires_at.isoformat(),
            "hubs": near,
            "hub_ca": pin,
            "command": f"{command} --data-dir ./{cluster}-agent",
        }

    return await once(calling, request, said, work, status=201)
