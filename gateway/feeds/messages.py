"""Rows of the store as messages of the link. Versions are digests, so an agent that holds the same is sent nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from google.protobuf.json_format import ParseDict

from gateway.proto import link_pb2 as link
from isthmus.store import tables
from isthmus.xds.snapshot import digest


def offer_of(row: tables.Delivery) -> link.Offer:
    """A delivery as an offer, without bodies."""
    position = link.Position(
        lane=link.DEFINITION,
        mesh=str(row.mesh_id),
        sequence=row.sequence,
        generation=row.revision,
        version=row.version,
    )
    return link.Offer(position=position, phase=row.phase, manifest=row.manifest.encode())


def trust_of(roots: Sequence[tables.Authority], clusters: Mapping[UUID, tables.Cluster], at: datetime) -> link.Trust:
    """Bundles, one per trust domain, never merged; an old and a new root of a domain stand side by side."""
    out = link.Trust()
    for row in roots:
        if not out.bundles or out.bundles[-1].trust_domain != row.trust_domain:
            place = clusters[row.cluster_id]
            out.bundles.add(trust_domain=row.trust_domain, cluster=place.name, generation=place.trust_generation)
        pem = x509.load_der_x509_certificate(row.certificate).public_bytes(Encoding.PEM)
        out.bundles[-1].roots_pem.append(pem)
    generation = sum(c.trust_generation for c in clusters.values())
    out.position.CopyFrom(_position(link.TRUST, "", generation, out, at))
    return out


def certificates_of(
    issued: Sequence[tuple[tables.Certificate, bytes]],
    trusted: Sequence[tables.CertificateAuthority],
    posed: Sequence[tables.AcmeChallenge],
    at: datetime,
) -> link.Certificates:
    """Managed certificates, each with its key; authorities; challenges. Nothing at all has no version."""
    out = link.Certificates()
    for row, key in issued:
        out.certificates.add(arn=row.arn, chain_pem=row.chain, key_pem=key)
    for above in trusted:
        out.authorities.add(arn=above.arn, roots_pem=above.roots)
    for each in posed:
        out.challenges.add(domain=each.domain, token=each.token, answer=each.answer)
    empty = not (out.certificates or out.authorities or out.challenges)
    out.position.CopyFrom(_position(link.CERTIFICATES, "", sum(row.generation for row, _ in issued), out, at))
    if empty:
        out.position.version = ""
    return out


def imports_of(mesh: UUID, peers: Sequence[Mapping[str, Any]], at: datetime) -> link.Imports:
    """The other clusters of a mesh."""
    out = ParseDict({"peers": list(peers)}, link.Imports())
    out.position.CopyFrom(_position(link.TOPOLOGY, str(mesh), 0, out, at))
    return out


def _position(
    lane: "link.Lane.ValueType",
    mesh: str,
    generation: int,
    content: link.Trust | link.Imports | link.Certificates,
    at: datetime,
) -> link.Position:
    """These lanes are read, not stored, so their sequence is the database's time: it only has to grow."""
    version = digest(content.SerializeToString(deterministic=True))
    return link.Position(
        lane=lane, mesh=mesh, sequence=int(at.timestamp() * 1_000_000), generation=generation, version=version
    )
