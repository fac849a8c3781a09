"""clusters: registering one makes its trust domain and root; a join token lets its agent in, once, for 15 minutes."""

from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from api import bodies, conditions
from api.v1.context import Call, Calling, PageSize, PageToken, page
from api.v1.shapes import parse_fields
from isthmus.errors import Unavailable
from isthmus.store import hubs, join_tokens, tables
from isthmus.store.authorities import Authorities
from isthmus.store.clusters import Clusters
from isthmus.store.replicas import Replicas
from isthmus.values import TrustDomain, dns_label, region

router = APIRouter(tags=["clusters"])


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


@router.get("/clusters", operation_id="listClusters")
async def list_clusters(
    calling: Calling, request: Request, page_size: PageSize = 100, page_token: PageToken = None
) -> dict[str, Any]:
    """The org's clusters, by name."""
    after = calling.cursors.read(calling.org, request.url.path, page_token, calling.now)

    def work(session: Session) -> list[tuple[str, dict[str, Any]]]:
        rows = Clusters(session, calling.org).list(after, page_size + 1)
        return [(r.name, cluster_of(session, calling, r)) for r in rows]

    return page(calling, request.url.path, await calling.run(work), page_size)


@router.post("/clusters", operation_id="createCluster", status_code=201)
async def create_cluster(calling: Calling, request: Request, response: Response) -> dict[str, Any]:
    """Register a cluster `{name, region, network?}`; its network is its own unless it says that it shares one."""
    given = parse_fields(await bodies.read_json(request), required=("name", "region"), optional=("network",))
    name, where = dns_label(given["name"], "/name", "a cluster's name"), region(given["region"])
    network = dns_label(given.get("network", name), "/network", "a network's name")

    def work(session: Session) -> dict[str, Any]:
        row = Clusters(session, calling.org).create(name, where, network, now=calling.now)
        slug = session.get_one(tables.Org, calling.org).slug
        domain = TrustDomain.of(name, row.trust_generation, slug, calling.settings.base_domain)
        root = request.app.state.roots.make(domain, calling.now)
        Authorities(session, calling.org).add(row.id, domain.text, root.certificate, root.sealed_key, root.not_after)
        return cluster_of(session, calling, row)

    answer = await calling.run(work)
    response.headers["Location"] = f"/v1/clusters/{name}"
    return answer


@router.get("/clusters/{cluster}", operation_id="getCluster")
async def get_cluster(calling: Calling, cluster: str) -> dict[str, Any]:
    """One cluster's page of facts."""

    def work(session: Session) -> dict[str, Any]:
        return cluster_of(session, calling, Clusters(session, calling.org).get(cluster))

    return await calling.run(work)


@router.delete("/clusters/{cluster}", operation_id="deleteCluster")
async def delete_cluster(calling: Calling, cluster: str, request: Request) -> dict[str, Any]:
    """Forget a cluster that no mesh uses: its agents are refused from then on. Its trust domain is never reused."""
    conditions.expected(request)

    def work(session: Session) -> None:
        Clusters(session, calling.org).delete(cluster)

    await calling.run(work)
    return {"deleted": cluster}


@router.post("/clusters/{cluster}/join-tokens", operation_id="createJoinToken", status_code=201)
async def create_join_token(calling: Calling, cluster: str, request: Request) -> dict[str, Any]:
    """A token for one agent replica, shown once, with the command that uses it."""

    def work(session: Session) -> tuple[str, Any, list[str]]:
        row = Clusters(session, calling.org).get(cluster)
        near = [hub.enrolment for hub in hubs.fresh(session, row.region)]
        if not near:
            raise Unavailable("no hub is up; the token would have nowhere to go")
        made = join_tokens.JoinTokens(session, calling.org).create(row.id, now=calling.now)
        return made.text, made.expires_at, near

    token, expires, near = await calling.run(work)
    pin = request.app.state.hub_ca_pin
    command = f"isthmus agent --hub {','.join(near)} --hub-ca {pin} --join-token {token} --data-dir ./{cluster}-agent"
    return {"token": token, "expires_at": expires.isoformat(), "hubs": near, "hub_ca": pin, "command": command}
