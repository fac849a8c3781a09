"""Every table, as Alembic creates it.

All but the last three are a tenant's: `org_id` leads each key and a policy guards each row (design §6); the migration
walls off every table that has an `org_id`, and a test enumerates them.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import INET, JSON, JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_TIME = TIMESTAMP(timezone=True)


class Base(DeclarativeBase):
    """The registry of our tables."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        datetime: _TIME,
        UUID: Uuid,
        bytes: LargeBinary,
        str: Text,
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        bool: Boolean,
    }


def _under(parent: str, *columns: str) -> ForeignKeyConstraint:
    """A foreign key that begins with the org and goes with its parent."""
    keys = {"orgs": ("id",), "meshes": ("org_id", "id"), "clusters": ("org_id", "id"), "accounts": ("org_id", "id")}
    return ForeignKeyConstraint(columns, [f"{parent}.{k}" for k in keys[parent]], ondelete="CASCADE")


class Org(Base):
    """Who pays; everything else is its own. Its row's policy compares `id`."""

    __tablename__ = "orgs"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class Account(Base):
    """App Mesh's owner id: 12 digits, unique everywhere: clients say only that. An org's first is its default."""

    __tablename__ = "accounts"
    __table_args__ = (_under("orgs", "org_id"), Index("accounts_id", "id", unique=True))
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class Token(Base):
    """A bearer token, by the SHA-256 of its text (product.md §3.2: 178 bits need no slow hash)."""

    __tablename__ = "tokens"
    __table_args__ = (_under("orgs", "org_id"), Index("tokens_hash", "hash", unique=True))
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    hash: Mapped[bytes]
    prefix: Mapped[str]
    name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class AccessKey(Base):
    """An AWS-style key. SigV4 is symmetric, so the secret is sealed, not hashed."""

    __tablename__ = "access_keys"
    __table_args__ = (_under("accounts", "org_id", "account_id"), Index("access_keys_id", "id", unique=True))
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str]
    sealed_secret: Mapped[bytes]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class Mesh(Base):
    """A mesh with its three pointers: head (newest accepted), target (being rolled out), live (acked everywhere).

    `compile_generation` fences its one compiler (design §4, 3): a stale generation cannot write snapshots.
    """

    __tablename__ = "meshes"
    __table_args__ = (
        _under("accounts", "org_id", "account_id"),
        Index(
            "meshes_name", "org_id", "account_id", "region", "name",
            unique=True, postgresql_where=text("deleted_at IS NULL"),
        ),
    )  # fmt: skip
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[str]
    region: Mapped[str]
    name: Mapped[str]
    head: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    target: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    live: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    compile_generation: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    deleted_at: Mapped[datetime | None]


class ResourceVersion(Base):
    """One document from one revision until another: the definition at n is a range query (design §6).

    `key` is `name`, or `parent/name` for routes and gateway routes. `to_revision` is exclusive, null while it stands.
    `version`, `uid`, `created_at` are App Mesh's metadata, carried over from version to version; so is `vip`, the
    virtual service's address. The mesh's own spec is of kind Mesh, its settings of kind Settings, both under its name.
    `owner` is the account whose it is, where that is not the mesh's (appmesh.md §3.8). Tags keep their order.
    """

    __tablename__ = "resource_versions"
    __table_args__ = (
        _under("meshes", "org_id", "mesh_id"),
        Index(
            "resource_versions_standing", "org_id", "mesh_id", "kind", "key",
            unique=True, postgresql_where=text("to_revision IS NULL"),
        ),
        Index("resource_versions_ended", "org_id", "mesh_id", "to_revision"),
    )  # fmt: skip
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    mesh_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    from_revision: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    to_revision: Mapped[int | None] = mapped_column(BigInteger)
    spec: Mapped[dict[str, Any]]
    tags: Mapped[dict[str, Any]] = mapped_column(JSON)
    digest: Mapped[str]
    uid: Mapped[UUID]
    version: Mapped[int] = mapped_column(BigInteger)
    vip: Mapped[str | None] = mapped_column(INET)
    owner: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Reference(Base):
    """What the standing documents refer to: who blocks a delete, and whom a change can break, found without the mesh.

    Documents of lasting kinds are not in it as sources: they block nothing (isthmus.model.kinds.topology).
    """

    __tablename__ = "resource_references"
    __table_args__ = (
        _under("meshes", "org_id", "mesh_id"),
        Index("resource_references_source", "org_id", "mesh_id", "kind", "key"),
    )
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    mesh_id: Mapped[UUID] = mapped_column(primary_key=True)
    to_kind: Mapped[str] = mapped_column(primary_key=True)
    to_key: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)


class Revision(Base):
    """The n-th definition of a mesh and how far it has come.

    `changed` lists `[kind, key]`; `failures` say why it is not live; `notes` name the fields that have no effect (yet),
    as `{kind, key, pointer, reason}`.
    """

    __tablename__ = "revisions"
    __table_args__ = (_under("meshes", "org_id", "mesh_id"),)
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    mesh_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    author: Mapped[str]
    reason: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=text("'accepted'"))
    changed: Mapped[list[Any]]
    failures: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    notes: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    accepted_at: Mapped[datetime]
    compiled_at: Mapped[datetime | None]
    preflighted_at: Mapped[datetime | None]
    offered_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    acked_at: Mapped[datetime | None]


class Promise(Base):
    """Work to be done, committed with its cause. "Sent" is not "done": only `processed_at` ends it (platform.md §6).

    Short work is processed in the transaction of its effect. Long work holds a lease (`lease_until`, `generation`).
    `once` makes equal promises one while they are due: the newer cause is covered by the pending one.
    """

    __tablename__ = "promises"
    __table_args__ = (
        _under("orgs", "org_id"),
        Index("promises_due", "due_at", postgresql_where=text("processed_at IS NULL")),
        Index(
            "promises_once", "org_id", "once",
            unique=True, postgresql_where=text("claimed_at IS NULL AND processed_at IS NULL"),
        ),
    )  # fmt: skip
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    task: Mapped[str]
    arguments: Mapped[dict[str, Any]]
    once: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    due_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    sent_at: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    generation: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    processed_at: Mapped[datetime | None]


class Cluster(Base):
    """A cluster of the org. Its lease and its sequences live here, in database time (design §7)."""

    __tablename__ = "clusters"
    __table_args__ = (
        _under("orgs", "org_id"),
        Index("clusters_name", "org_id", "name", unique=True),
    )
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    region: Mapped[str]
    network: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'never'"))
    lease_until: Mapped[datetime | None]
    sequence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    topology_generation: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    trust_generation: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class Authority(Base):
    """A cluster's root, prepared → active → old → (tainted) → revoked. The key is sealed or lies with its signer."""

    __tablename__ = "authorities"
    __table_args__ = (
        _under("clusters", "org_id", "cluster_id"),
        Index("authorities_domain", "trust_domain", "number", unique=True),
    )
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    cluster_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    trust_domain: Mapped[str]
    state: Mapped[str]
    signer: Mapped[str]
    sealed_key: Mapped[bytes | None]
    certificate: Mapped[bytes]
    not_after: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class JoinToken(Base):
    """How an agent proves itself, once: hashed, 15 minutes, single use even under a race."""

    __tablename__ = "join_tokens"
    __table_args__ = (_under("clusters", "org_id", "cluster_id"), Index("join_tokens_hash", "hash", unique=True))
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    cluster_id: Mapped[UUID]
    hash: Mapped[bytes]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class Replica(Base):
    """An agent replica, fenced by its epoch. `applied` is what its heartbeats say of each lane."""

    __tablename__ = "replicas"
    __table_args__ = (_under("clusters", "org_id", "cluster_id"),)
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    cluster_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    key_hash: Mapped[bytes]
    epoch: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    evicted_at: Mapped[datetime | None]
    version: Mapped[str] = mapped_column(server_default=text("''"))
    features: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    applied: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    hub: Mapped[str] = mapped_column(server_default=text("''"))
    wardens: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    proxies: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    seen_at: Mapped[datetime | None]
    certificate_expires: Mapped[datetime]


class ResourceBody(Base):
    """The body of a compiled resource, by its version; `managed`: the ARNs that it names, null for none."""

    __tablename__ = "resource_bodies"
    __table_args__ = (
        _under("orgs", "org_id"),
        Index("resource_bodies_managed", "org_id", "version", postgresql_where=text("managed IS NOT NULL")),
    )
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    name: Mapped[str]
    body: Mapped[bytes]
    managed: Mapped[list[Any] | None]


class Snapshot(Base):
    """What one cluster needs of one mesh, by digest. `inputs` records each input's generation (design §1)."""

    __tablename__ = "snapshots"
    __table_args__ = (_under("meshes", "org_id", "mesh_id"), _under("clusters", "org_id", "cluster_id"))
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    mesh_id: Mapped[UUID] = mapped_column(primary_key=True)
    cluster_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    manifest: Mapped[str]
    inputs: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class Rollout(Base):
    """A revision on its way. `plan` holds, per cluster, the manifests it goes from and to (versions in snapshots)."""

    __tablename__ = "rollouts"
    __table_args__ = (
        _under("meshes", "org_id", "mesh_id"),
        Index("rollouts_running", "org_id", "mesh_id", postgresql_where=text("state = 'running'")),
    )
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    mesh_id: Mapped[UUID] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    phase: Mapped[str]
    state: Mapped[str]
    generation: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    plan: Mapped[dict[str, Any]]
    decisions: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    started_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    phase_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    ended_at: Mapped[datetime | None]


class Delivery(Base):
    """One version offered to one cluster in one phase, and what its proxies said, as counts with the odd ones named.

    `views` is `{replica: {view: {version, connected, acked, lost, stragglers, nacks, last_ack}}}`, because every
    replica of an agent counts its own proxies. The row of a (mesh, cluster) with the highest sequence is what the
    cluster is to have now; `expected` is whether the cluster was live when it was offered, so that its silence holds
    the rollout up. `managed`: the ARNs of the managed certificates and authorities that what is offered names.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        _under("meshes", "org_id", "mesh_id"),
        _under("clusters", "org_id", "cluster_id"),
        Index("deliveries_newest", "org_id", "cluster_id", "mesh_id", "sequence"),
    )
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    mesh_id: Mapped[UUID] = mapped_column(primary_key=True)
    cluster_id: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    revision: Mapped[int] = mapped_column(BigInteger)
    phase: Mapped[str]
    version: Mapped[str]
    manifest: Mapped[str]
    expected: Mapped[bool]
    managed: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    views: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    offered_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    sent_at: Mapped[datetime | None]
    applied_at: Mapped[datetime | None]
    acked_at: Mapped[datetime | None]


class Summary(Base):
    """What a cluster says it has of a mesh (topology lane); written at most 4 times a second per cluster."""

    __tablename__ = "summaries"
    __table_args__ = (_under("meshes", "org_id", "mesh_id"), _under("clusters", "org_id", "cluster_id"))
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    mesh_id: Mapped[UUID] = mapped_column(primary_key=True)
    cluster_id: Mapped[UUID] = mapped_column(primary_key=True)
    generation: Mapped[int] = mapped_column(BigInteger)
    content: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class IdempotencyKey(Base):
    """The answer that a POST with this Idempotency-Key got, kept with its effect for 7 days."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (_under("orgs", "org_id"), Index("idempotency_keys_age", "org_id", "principal", "created_at"))
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    principal: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes]
    status: Mapped[int] = mapped_column(Integer)
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class Quota(Base):
    """How much of something an org may have, where that is not the default (isthmus.store.quotas)."""

    __tablename__ = "quotas"
    __table_args__ = (_under("orgs", "org_id"),)
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(Integer)


class CertificateAuthority(Base):
    """A managed authority: whom clients trust, and who signs requested certificates if its key is ours.

    `roots`: PEM. `sealed_key`: of the first root; null where the roots were brought along.
    """

    __tablename__ = "certificate_authorities"
    __table_args__ = (
        _under("accounts", "org_id", "account_id"),
        Index("certificate_authorities_arn", "org_id", "arn", unique=True),
    )
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[str]
    region: Mapped[str]
    arn: Mapped[str]
    name: Mapped[str]
    roots: Mapped[bytes]
    sealed_key: Mapped[bytes | None]
    not_after: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class Certificate(Base):
    """A managed certificate: requested, imported or acme. `generation` grows with every chain it has had.

    `chain` (PEM, leaf first) and `sealed_key` are null until it is issued, and stay while it is renewed. `pending` is
    what an ACME order that is under way must remember: its URL and its request, the key sealed.
    """

    __tablename__ = "certificates"
    __table_args__ = (
        _under("accounts", "org_id", "account_id"),
        Index("certificates_arn", "org_id", "arn", unique=True),
        Index("certificates_authority", "org_id", "authority_id"),
    )
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[str]
    region: Mapped[str]
    arn: Mapped[str]
    source: Mapped[str]
    domains: Mapped[list[Any]]
    authority_id: Mapped[UUID | None]
    life: Mapped[int | None] = mapped_column(Integer)
    directory: Mapped[str | None]
    state: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default=text("''"))
    failures: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    pending: Mapped[dict[str, Any] | None]
    pending_key: Mapped[bytes | None]
    chain: Mapped[bytes | None]
    sealed_key: Mapped[bytes | None]
    serial: Mapped[str | None]
    not_before: Mapped[datetime | None]
    not_after: Mapped[datetime | None]
    generation: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    revision: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class AcmeAccount(Base):
    """The org's account at an ACME authority, by the URL of its directory."""

    __tablename__ = "acme_accounts"
    __table_args__ = (_under("orgs", "org_id"),)
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    directory: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str]
    sealed_key: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class AcmeChallenge(Base):
    """What an ACME authority will ask the org's virtual gateways for (HTTP-01)."""

    __tablename__ = "acme_challenges"
    __table_args__ = (
        ForeignKeyConstraint(
            ["org_id", "certificate_id"], ["certificates.org_id", "certificates.id"], ondelete="CASCADE"
        ),
    )
    org_id: Mapped[UUID] = mapped_column(primary_key=True)
    certificate_id: Mapped[UUID] = mapped_column(primary_key=True)
    domain: Mapped[str] = mapped_column(primary_key=True)
    token: Mapped[str]
    answer: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class Beat(Base):
    """When each of our own periodic or round-trip checks last ran: no tenant's."""

    __tablename__ = "beats"
    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class Hub(Base):
    """The hubs that are up, with the address agents dial: no tenant's."""

    __tablename__ = "hubs"
    name: Mapped[str] = mapped_column(primary_key=True)
    region: Mapped[str]
    link: Mapped[str]
    enrolment: Mapped[str]
    seen_at: Mapped[datetime]


class SpentSequence(Base):
    """The number of every trust domain ever made, so that a cluster made again under an old name gets a new one."""

    __tablename__ = "trust_domain_names"
    org_slug: Mapped[str] = mapped_column(primary_key=True)
    cluster: Mapped[str] = mapped_column(primary_key=True)
    generation: Mapped[int] = mapped_column(Integer)
