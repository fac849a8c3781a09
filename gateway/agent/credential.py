"""credential: the key and certificate with which a replica speaks on the link, and when they are to be replaced.

One file, replaced as a whole. A renewal's key is kept before it is sent anywhere: if the hub's answer is lost, only the
same key can ask again, because the hub already knows it as ours.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Self

import grpc
from cryptography import x509

from gateway.edge import disk
from gateway.edge.keys import check_key, key_pem, load_key
from gateway.proto import link_pb2 as link
from isthmus.pki import chain, rules, verify
from isthmus.pki.chain import Untrusted
from isthmus.pki.link_ca import GRACE
from isthmus.pki.template import PrivateKey
from isthmus.values import AgentId


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """Who we are to the hubs. `hubs`: enrolment addresses; `links`: link addresses; `next_key`: of a renewal begun."""

    key: PrivateKey
    certificate: x509.Certificate
    link_ca: x509.Certificate
    hubs: tuple[str, ...]
    links: tuple[str, ...]
    cluster: str
    org: str
    next_key: PrivateKey | None = None

    @property
    def base(self) -> str:
        """The installation's base domain, from the link CA's own name."""
        return base_of(self.link_ca)

    @property
    def agent(self) -> AgentId:
        """Which replica of which cluster the certificate names."""
        return AgentId.parse(rules.uris(self.certificate)[0], self.base)

    def lost(self, now: datetime) -> bool:
        """Whether even a renewal is refused by now: only a new join token helps."""
        return now > self.certificate.not_valid_after_utc + GRACE

    def with_hubs(self, hubs: Sequence[str]) -> "Credential":
        """The same with other enrolment addresses."""
        return replace(self, hubs=tuple(hubs))

    def channel(self) -> grpc.ChannelCredentials:
        """For the link: both sides prove themselves."""
        return grpc.ssl_channel_credentials(
            chain.to_pem([self.link_ca]), key_pem(self.key), chain.to_pem([self.certificate])
        )

    def save(self, path: Path) -> None:
        """Replace what is on disk."""
        said = {
            "key": key_pem(self.key).decode(),
            "certificate": chain.to_pem([self.certificate]).decode(),
            "link_ca": chain.to_pem([self.link_ca]).decode(),
            "hubs": self.hubs,
            "links": self.links,
            "cluster": self.cluster,
            "org": self.org,
            "next_key": key_pem(self.next_key).decode() if self.next_key else "",
        }
        disk.write(path, json.dumps(said).encode())

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """What was saved; None if there is nothing."""
        body = disk.read(path)
        if body is None:
            return None
        said = json.loads(body)
        (certificate,) = chain.parse_pem(said["certificate"].encode())
        (ca,) = chain.parse_pem(said["link_ca"].encode())
        key, hubs, links = load_key(said["key"].encode()), tuple(said["hubs"]), tuple(said["links"])
        next_key = load_key(said["next_key"].encode()) if said["next_key"] else None
        return cls(key, certificate, ca, hubs, links, said["cluster"], said["org"], next_key)

    def renewed(self, answer: link.LinkCertificate, now: datetime) -> "Credential":
        """With the certificate for `next_key`; Untrusted if that is not what the hub answered."""
        assert self.next_key is not None, "a renewal begins by choosing its key"
        made = granted(answer, self.next_key, self.hubs, now)
        if made.agent != self.agent:
            raise Untrusted(f"the hub renewed {self.agent} as {made.agent}")
        return made


def granted(answer: link.LinkCertificate, key: PrivateKey, hubs: Sequence[str], now: datetime) -> Credential:
    """A hub's answer as a credential; Untrusted if it is not for our key, or not of the CA that it names."""
    leaf, *_ = chain.parse_pem(answer.certificate_pem)
    ca, *_ = chain.parse_pem(answer.link_ca_pem)
    verify.link_agent(leaf, ca, base_of(ca), now=now)
    check_key(leaf, key)
    return Credential(key, leaf, ca, tuple(hubs), tuple(answer.links), answer.cluster, answer.org)


def base_of(ca: x509.Certificate) -> str:
    """The base domain that a link CA is of: it is `spiffe://<base domain>`. Untrusted if it says none."""
    parts = rules.split_id((rules.uris(ca) or [""])[0])
    if parts is None:
        raise Untrusted("the link CA has no SPIFFE ID")
    return parts[0]
