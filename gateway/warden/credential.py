"""credential: how this host proves itself to its agents: a host token once, the key it holds ever after."""

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

import grpc
from cryptography import x509

from gateway.edge import disk
from gateway.edge.keys import check_key, key_pem, load_key, new_key
from gateway.edge.presented import presented
from gateway.proto import host_pb2 as host
from gateway.proto.host_pb2_grpc import HostEnrolmentStub
from isthmus.errors import Denied, Unavailable
from isthmus.pki import chain, csr, link_ca, path, verify
from isthmus.pki.template import PrivateKey
from isthmus.values import Secret

_SECONDS = 15.0
_REFUSALS = frozenset({grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT})


@dataclass(frozen=True, slots=True, repr=False)
class HostCredential:
    """Who we are to agents. `certificates`: our leaf, then the intermediate; `agents`: host:port of mTLS ports."""

    key: PrivateKey
    certificates: tuple[x509.Certificate, ...]
    root: x509.Certificate
    host: str
    agents: tuple[str, ...]

    @property
    def certificate(self) -> x509.Certificate:
        """Our own."""
        return self.certificates[0]

    def channel(self, agent: str) -> grpc.aio.Channel:
        """A connection to an agent: it must chain to the cluster's root, and sees our certificate."""
        shown = grpc.ssl_channel_credentials(
            chain.to_pem([self.root]), key_pem(self.key), chain.to_pem(self.certificates)
        )
        limits = [("grpc.max_receive_message_length", 64 * 1024 * 1024), ("grpc.keepalive_time_ms", 10_000)]
        return grpc.aio.secure_channel(agent, shown, options=limits)

    def save(self, file: Path) -> None:
        """Keep it, readable by us only."""
        said = {
            "key": key_pem(self.key).decode(),
            "chain": chain.to_pem(self.certificates).decode(),
            "root": chain.to_pem([self.root]).decode(),
            "host": self.host,
            "agents": list(self.agents),
        }
        disk.write(file, json.dumps(said).encode())

    @classmethod
    def load(cls, file: Path) -> Self | None:
        """What was kept, if anything was."""
        body = disk.read(file)
        if body is None:
            return None
        said = json.loads(body)
        (root,) = chain.parse_pem(said["root"].encode())
        held = chain.parse_pem(said["chain"].encode())
        return cls(load_key(said["key"].encode()), held, root, said["host"], tuple(said["agents"]))


def granted(answer: host.HostCertificate, key: PrivateKey, now: datetime) -> HostCredential:
    """An agent's answer, checked: for our key, under the root it names. Untrusted otherwise."""
    certificates = chain.parse_pem(answer.chain_pem)
    (root,) = chain.parse_pem(answer.root_pem)
    check_key(certificates[0], key)
    verify.svid(certificates, [root], now=now)
    return HostCredential(key, certificates, root, answer.host, tuple(answer.agents))


async def join(agent: str, pin: str, token: Secret, now: datetime) -> HostCredential:
    """Spend a host token at an agent's enrolment address.

    Untrusted if it is not the pinned cluster's agent, Denied if it refuses, Unavailable without an answer.
    """
    shown = await asyncio.to_thread(presented, agent)
    root = link_ca.pinned(shown, pin)
    path.leads([c for c in shown if c != root] or shown, [root], now)
    key = new_key()
    trusted = grpc.ssl_channel_credentials(chain.to_pem([root]))
    async with grpc.aio.secure_channel(agent, trusted) as channel:
        try:
            request = host.HostJoin(token=token, csr_der=csr.make(key))
            answer = await HostEnrolmentStub(channel).Join(request, timeout=_SECONDS)
        except grpc.aio.AioRpcError as error:
            said = error.details() or error.code().name
            raise (Denied(said) if error.code() in _REFUSALS else Unavailable(said)) from error
    return granted(answer, key, now)
