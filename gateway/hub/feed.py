"""What a hub reads and writes, as a protocol: the store in the home region, a link upstream in a relay (design §2).

All methods are coroutines and may raise `isthmus.errors` kinds: Denied ends the agent's stream, Unavailable is retried.
Every method takes the caller's proven identity, never an org or cluster from a message.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from gateway.proto import link_pb2 as link
from isthmus.values import AgentId


@dataclass(frozen=True, slots=True)
class Joined:
    """A redeemed join token: whose replica this is now, and where it dials."""

    agent: AgentId
    org_slug: str
    cluster: str
    links: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Admitted:
    """A replica that may speak: its epoch now, and what it should know of itself."""

    epoch: int
    org_slug: str
    cluster: str
    region: str
    trust_domain: str


@dataclass(frozen=True, slots=True)
class Here:
    """A hub as others find it: its name, its region, and the addresses (host:port) that agents dial."""

    name: str
    region: str
    link: str
    enrolment: str


class Feed(Protocol):
    """Content by digest, generations to watch, acks and summaries to post."""

    async def join(self, token_sha256: bytes, replica: str, key_sha256: bytes, expires: datetime) -> Joined:
        """Spend a join token: Denied if it is unknown, used or expired, also for all but one of racing callers."""
        ...

    async def renew(self, agent: AgentId, held_sha256: bytes, key_sha256: bytes, expires: datetime) -> Joined:
        """A renewal of a known, not evicted replica. Denied otherwise.

        `held_sha256` is the key whose holding was proven, `key_sha256` the one to be certified (often the same). The
        replica's key on record must be one of the two, and becomes the latter: so a key that was replaced earlier
        renews nothing, while an agent that lost our answer may ask again with what it has.
        """
        ...

    async def admit(self, agent: AgentId, key_sha256: bytes, hello: link.Hello, hub: str) -> Admitted:
        """Open a stream. Denied if evicted, unknown, of another key, or if the replica has a newer epoch."""
        ...

    async def confirm(self, agent: AgentId, epoch: int) -> None:
        """Denied if the replica was evicted or `epoch` is no longer its newest. Asked on a timer; writes nothing."""
        ...

    async def offers(self, agent: AgentId) -> Sequence[link.Offer]:
        """What the cluster is to have now, one per mesh, without bodies."""
        ...

    async def withdrawn(self, agent: AgentId, meshes: Sequence[str]) -> Sequence[link.Withdraw]:
        """Of these meshes, which the agent holds and `offers` lacks, those that are known to concern it no more.

        Only positive knowledge counts (the mesh or the attachment is gone): that `offers` has lost sight is none.
        """
        ...

    async def bodies(self, agent: AgentId, versions: Sequence[str]) -> Mapping[str, link.Body]:
        """Resource bodies of the agent's own org."""
        ...

    async def trust(self, agent: AgentId) -> link.Trust:
        """The bundles that the cluster needs now."""
        ...

    async def certificates(self, agent: AgentId) -> link.Certificates:
        """The managed certificates and authorities that the cluster is offered by name, with their keys; no others.

        And what ACME authorities will ask the org's virtual gateways for. An empty one has an empty version.
        """
        ...

    async def imports(self, agent: AgentId) -> Sequence[link.Imports]:
        """The other clusters' instances, one message per mesh that the cluster takes part in."""
        ...

    async def sent(self, agent: AgentId, position: link.Position) -> None:
        """An offer has left for the agent."""
        ...

    async def post(self, agent: AgentId, epoch: int, message: link.FromAgent) -> None:
        """A heartbeat, summary, acks or refusal. Denied if `epoch` is no longer the replica's newest (fenced)."""
        ...

    async def intermediate(self, agent: AgentId, csr_der: bytes) -> link.IntermediateCertificate:
        """Sign the replica's intermediate with its cluster's active authority."""
        ...

    async def signer(self, agent: AgentId, question: link.SignatureQuestion, now: datetime) -> str:
        """The account whose key signed what a question holds: an active key of the agent's own org, fresh at `now`.

        `isthmus.sigv4.Refused` otherwise, by AWS's codes; another org's key is answered exactly as an unknown one. The
        secret never leaves the feed, which is why it and not the hub compares.
        """
        ...

    async def announce(self, hub: Here) -> None:
        """Say that this hub is up now, and where. Called every few seconds."""
        ...

    def changes(self) -> AsyncIterator[UUID]:
        """Clusters whose offers, trust or imports may have changed; the nil UUID means "look at all of yours".

        Wakes at once on a change and at least once a second, so that a lost notification costs a second at most.
        """
        ...
