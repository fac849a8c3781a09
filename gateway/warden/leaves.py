"""leaves: the key of each proxy, which never leaves this host, and the leaf certificate that its agent signs for it.

Renewed at half of its life with jitter. A leaf is kept on disk, so a proxy that restarts while everything is away has
an identity as long as the leaf lives.
"""

import json
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from gateway.edge import disk
from gateway.edge.keys import check_key, due, key_pem, load_key, new_key
from gateway.proto import host_pb2 as host
from isthmus.errors import Denied
from isthmus.pki import chain, csr, rules
from isthmus.pki.chain import Untrusted
from isthmus.pki.template import PrivateKey
from isthmus.xds import secrets
from isthmus.xds.snapshot import Resource

_PATIENCE = timedelta(seconds=2)
"""How long an unanswered or refused request is left alone before it is made again."""


@dataclass(slots=True)
class _Leaf:
    key: PrivateKey
    certificates: tuple[x509.Certificate, ...]
    secret: Resource
    renew_at: datetime


class Leaves:
    """The identities of this host's proxies, by proxy."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, _Leaf] = {}
        self._asked: dict[str, tuple[PrivateKey, datetime]] = {}

    def secret(self, proxy: str, identity: str, now: datetime) -> Resource | None:
        """The SDS secret of a proxy under this SPIFFE ID; None without a leaf that is valid for it."""
        held = self._held.get(proxy) or self._load(proxy)
        if held is None or rules.uris(held.certificates[0]) != [identity]:
            return None
        return held.secret if now < held.certificates[0].not_valid_after_utc else None

    def expires(self, proxy: str) -> datetime | None:
        """When the leaf of a proxy ends."""
        held = self._held.get(proxy)
        return held.certificates[0].not_valid_after_utc if held else None

    def request(self, proxy: str, identity: str, now: datetime) -> host.LeafRequest | None:
        """What to ask the agent for: nothing while the leaf is young, or while an answer may still come."""
        fresh = self.secret(proxy, identity, now) is not None and now < self._held[proxy].renew_at
        asked = self._asked.get(proxy)
        if fresh or (asked and now < asked[1] + _PATIENCE):
            return None
        key = asked[0] if asked else new_key()
        self._asked[proxy] = (key, now)
        return host.LeafRequest(proxy=proxy, csr_der=csr.make(key))

    def accept(self, leaf: host.Leaf) -> None:
        """An answer: Denied if it is a refusal, Untrusted if it is not for the key that asked."""
        if leaf.refused:
            raise Denied(leaf.refused)
        asked = self._asked.pop(leaf.proxy, None)
        if asked is None:
            raise Untrusted(f"nobody asked for a leaf of {leaf.proxy}")
        certificates = chain.parse_pem(leaf.chain_pem)
        check_key(certificates[0], asked[0])
        said = {"key": key_pem(asked[0]).decode(), "chain": leaf.chain_pem.decode()}
        disk.write(self._file(leaf.proxy), json.dumps(said).encode())
        self._held[leaf.proxy] = _leaf(asked[0], certificates)

    def _load(self, proxy: str) -> _Leaf | None:
        body = disk.read(self._file(proxy))
        if body is None:
            return None
        said = json.loads(body)
        held = _leaf(load_key(said["key"].encode()), chain.parse_pem(said["chain"].encode()))
        self._held[proxy] = held
        return held

    def _file(self, proxy: str) -> Path:
        return self._folder / f"{proxy}.json"


def _leaf(key: PrivateKey, certificates: tuple[x509.Certificate, ...]) -> _Leaf:
    secret = secrets.identity(chain.to_pem(certificates), key_pem(key))
    return _Leaf(key, certificates, secret, due(certificates[0], random.random()))  # noqa: S311 - jitter, no secret
