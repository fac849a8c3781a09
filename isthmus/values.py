"""The small typed words that every layer shares: names, identities and the ids of the wire contract.

A string from outside becomes one of these at the edge or an `Invalid` with a pointer; nothing inside checks again.
The SPIFFE grammar (design §8) has its one spelling place here, the SNI grammar in `isthmus.wire`.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Self
from uuid import UUID

from isthmus.errors import Invalid

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d{1,2}")
_ACCOUNT = re.compile(r"[0-9]{12}")
_SAFE = re.compile(r"[A-Za-z0-9.-]")
_ALL_SAFE = re.compile(r"[A-Za-z0-9.-]*[A-Za-z0-9-][A-Za-z0-9.-]*")

BASE_DOMAIN = "isthmus.internal"
"""The default base domain of trust domains and SNI; an installation may set its own."""

OUTBOUND_PORT = 15001
"""Where a sidecar takes its application's requests, unless its instance says another port; App Mesh's own."""

DNS_PORT = 15053
"""Where a sidecar that has its host for itself answers for names, unless its instance says another port."""

ALPN_H2, ALPN_H1, ALPN_TCP = "isthmus-h2", "isthmus-h1", "isthmus-tcp"
ALPN_GRPC = "h2"
"""What gRPC offers where it is its own client: it has no other (gRFC A29), so it cannot offer one of ours."""
ANY = "any"
"""The SNI's first label when any instance will do (design §9: above the slot cap)."""


def dns_label(text: str, pointer: str, what: str) -> str:
    """`text` if it is one DNS label (RFC 1123, at most 63 characters), else Invalid."""
    if not _LABEL.fullmatch(text):
        raise Invalid.one(pointer, "not_a_dns_label", f"{what} {text!r} must be a DNS label: a-z, 0-9, -, at most 63")
    return text


def region(text: str, pointer: str = "/region") -> str:
    """`text` if it is a region's name as AWS spells them (`eu-west-1`), else Invalid."""
    if not _REGION.fullmatch(text):
        raise Invalid.one(pointer, "not_a_region", f"{text!r} is not a region name such as us-east-1")
    return text


def account(text: str, pointer: str = "/account") -> str:
    """`text` if it is an account's id as AWS spells them (12 digits), else Invalid."""
    if not _ACCOUNT.fullmatch(text):
        raise Invalid.one(pointer, "not_an_account", f"{text!r} is not an account: 12 digits such as 123456789012")
    return text


def base32id(*parts: str, length: int = 13) -> str:
    """A short stable id in lower-case base32 (Envoy lower-cases SNI) of what identifies the thing; 5 bits a letter."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()[:10]  # 16 letters, as many as any id has
    return base64.b32encode(digest).decode().lower()[:length]


@lru_cache(maxsize=2**14)
def service_id(mesh_id: UUID, node: str) -> str:
    """The id under which a virtual node is addressed between clusters."""
    return base32id("node", str(mesh_id), node)


def mesh_label(mesh_id: UUID) -> str:
    """The mesh's label in SNI: all 128 bits, because gateways route on it."""
    return base64.b32encode(mesh_id.bytes).decode().lower().rstrip("=")


@lru_cache(maxsize=2**16)
def slot_id(cluster_id: UUID, mesh_id: UUID, node: str, instance: str) -> str:
    """The short stable id of one instance: the same after every restart, so imports do not churn.

    Kept, because an agent asks for those of all its instances whenever one of them changes.
    """
    return base32id("slot", str(cluster_id), str(mesh_id), node, instance, length=10)


def spiffe_segment(name: str) -> str:
    """A name as one SPIFFE path segment: percent-style escapes with `_` for `%`, which SPIFFE paths forbid.

    SPIFFE-ID §2.2 allows `[A-Za-z0-9._-]`; `_` itself is escaped, so two names never share a segment, and so are names
    made of dots alone, which the same section forbids.
    """
    if _ALL_SAFE.fullmatch(name):
        return name
    escaped = "".join(c if _SAFE.fullmatch(c) else "".join(f"_{b:02X}" for b in c.encode()) for c in name)
    return escaped.replace(".", "_2E") if set(escaped) <= {"."} else escaped


@dataclass(frozen=True, slots=True, order=True)
class TrustDomain:
    """A cluster's own trust domain, `<cluster>-<generation>.<org slug>.<base domain>`; never reused (design §8)."""

    text: str

    @classmethod
    def of(cls, cluster: str, generation: int, org: str, base: str = BASE_DOMAIN) -> Self:
        """The name of a cluster's n-th trust domain."""
        return cls(f"{cluster}-{generation}.{org}.{base}")

    def node(self, mesh: str, node: str) -> str:
        """The SPIFFE ID of a virtual node's workloads here."""
        return f"spiffe://{self.text}/mesh/{spiffe_segment(mesh)}/node/{spiffe_segment(node)}"

    def gateway(self, mesh: str, gateway: str) -> str:
        """The SPIFFE ID of a virtual gateway's Envoys here."""
        return f"spiffe://{self.text}/mesh/{spiffe_segment(mesh)}/gateway/{spiffe_segment(gateway)}"

    def agent(self, replica: str) -> str:
        """The SPIFFE ID of an agent replica's intermediate CA and of its server certificate towards wardens."""
        return f"spiffe://{self.text}/agent/{spiffe_segment(replica)}"

    def host(self, host: str) -> str:
        """The SPIFFE ID of a warden's host."""
        return f"spiffe://{self.text}/host/{spiffe_segment(host)}"


@dataclass(frozen=True, slots=True)
class AgentId:
    """Who an agent replica is, as its link certificate says: the only source of org and cluster on the link."""

    org: UUID
    cluster: UUID
    replica: str

    def uri(self, base: str = BASE_DOMAIN) -> str:
        """The URI SAN of the link certificate (design §7)."""
        return f"spiffe://{base}/org/{self.org}/cluster/{self.cluster}/agent/{self.replica}"

    @classmethod
    def parse(cls, uri: str, base: str = BASE_DOMAIN) -> Self:
        """The inverse of `uri`; ValueError for anything else."""
        parts = uri.removeprefix(f"spiffe://{base}/").split("/")
        match parts:
            case ["org", org, "cluster", cluster, "agent", replica] if uri.startswith(f"spiffe://{base}/"):
                return cls(UUID(org), UUID(cluster), replica)
        raise ValueError(f"{uri!r} names no agent")


class Secret(str):
    """A string that must not be printed: its repr hides it, so a log line or a traceback cannot leak it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('…')"
