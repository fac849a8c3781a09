"""host: the agent's two ports for wardens: enrolment by a host token, and the stream that serves a host.

Who a warden is stands in its client certificate and nowhere else: `spiffe://<trust domain>/host/<host>`. Every workload
here has a certificate of the same trust domain, so the path decides, and it is read again at every stream, because a
resumed TLS session would skip the check (SPIRE 1.14.3).
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

import grpc

from gateway.agent.ca import Authority
from gateway.agent.cluster import Cluster
from gateway.agent.finishing import whole
from gateway.agent.host_session import HostSession, certificate
from gateway.agent.host_tokens import HostTokens
from gateway.agent.server_tls import ServerTls
from gateway.edge.lines import line
from gateway.edge.pings import TOLERANT
from gateway.proto import host_pb2 as host
from gateway.proto import host_pb2_grpc
from isthmus.errors import Denied, Invalid, IsthmusError, Kind
from isthmus.hostport import parted
from isthmus.pki import chain, csr, rules
from isthmus.values import TrustDomain

LOG = logging.getLogger("isthmus.agent.host")
CODES = {
    Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Kind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Kind.CONFLICT: grpc.StatusCode.ABORTED,
    Kind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
}
Context = grpc.aio.ServicerContext[Any, Any]

MESSAGE_LIMIT = 64 * 1024 * 1024
OPTIONS = [
    *TOLERANT,
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
    ("grpc.max_send_message_length", MESSAGE_LIMIT),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
]


@dataclass(frozen=True, slots=True)
class Ports:
    """Where wardens reach this agent. `bind`s are listened on; `agents` is what wardens are told to dial."""

    bind: str
    enrol_bind: str
    agents: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(slots=True)
class HostEnrolment(host_pb2_grpc.HostEnrolmentServicer):
    """Join: a host token for a certificate of 24 h."""

    tokens: HostTokens
    authority: Authority
    agents: tuple[str, ...]
    clock: Callable[[], datetime]

    async def Join(self, request: host.HostJoin, context: Context) -> host.HostCertificate:
        """The request is checked before the token is spent, so a malformed one costs nothing."""
        try:
            key = csr.parse(request.csr_der)
            name = self.tokens.spend(request.token, self.clock())
            made = self.authority.host(name, key, self.clock())
        except IsthmusError as refused:
            await _abort(context, "host_join_refused", refused)
        LOG.info(line("host_joined", host=name, peer=context.peer()))
        return certificate(self.authority, made, name, self.agents)


@dataclass(slots=True)
class Hosts(host_pb2_grpc.HostServicer):
    """Serve: one stream a host."""

    cluster: Cluster
    authority: Authority
    agents: tuple[str, ...]
    clock: Callable[[], datetime]

    async def Serve(
        self, requests: AsyncIterator[host.FromWarden], context: Context
    ) -> AsyncIterator[host.FromHostAgent]:
        """Until the warden hangs up."""
        try:
            name, expires = self._caller(context)
        except IsthmusError as refused:
            await _abort(context, "warden_refused", refused)
        with self.cluster.session() as number, self.cluster.listening() as wake:
            session = HostSession(name, number, expires, self.cluster, self.authority, self.clock, self.agents)
            listening = asyncio.create_task(session.listen(requests, wake))
            try:
                async for message in session.speak(wake):
                    yield message
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
                LOG.info(line("warden_down", host=name))

    def _caller(self, context: Context) -> tuple[str, datetime]:
        """The host that the client certificate names, and until when; Denied for anything else of this trust domain."""
        shown = [bytes(pem) for pem in context.auth_context().get("x509_pem_cert", ())]
        if len(shown) != 1 or self.authority.held is None:
            raise Denied("there is no client certificate")
        (leaf,), now = chain.parse_pem(shown[0]), self.clock()
        if now >= leaf.not_valid_after_utc:
            raise Denied("the certificate has expired")
        name = host_of((rules.uris(leaf) or [""])[0], self.authority.held.domain)
        return name, leaf.not_valid_after_utc


def host_of(spiffe_id: str, domain: TrustDomain) -> str:
    """The host that a SPIFFE ID names, as `TrustDomain.host` spells it; Denied if it names something else."""
    head = f"spiffe://{domain.text}/host/"
    segment = spiffe_id.removeprefix(head)
    name = re.sub(
        "((?:_[0-9A-F]{2})+)", lambda m: bytes.fromhex(m[0].replace("_", "")).decode(errors="replace"), segment
    )
    if domain.host(name) != spiffe_id:
        raise Denied(f"{spiffe_id} is no host of {domain.text}")
    return name


async def _abort(context: Context, event: str, why: IsthmusError) -> NoReturn:
    LOG.warning(line(event, peer=context.peer(), code=why.code, why=why))
    await context.abort(CODES[why.kind], str(why), (("isthmus-code", why.code),))
    raise AssertionError("abort always raises")


class HostServer:
    """Both ports. Opened once there is an intermediate to show."""

    def __init__(
        self,
        ports: Ports,
        cluster: Cluster,
        authority: Authority,
        tokens: HostTokens,
        clock: Callable[[], datetime],
    ) -> None:
        self._ports = ports
        tls = [ServerTls(authority, ports.names, cluster.own_roots, clock, clients=yes) for yes in (True, False)]
        self._tls = tls
        self._servers = [grpc.aio.server(options=OPTIONS), grpc.aio.server(options=OPTIONS)]
        host_pb2_grpc.add_HostServicer_to_server(Hosts(cluster, authority, ports.agents, clock), self._servers[0])
        host_pb2_grpc.add_HostEnrolmentServicer_to_server(
            HostEnrolment(tokens, authority, ports.agents, clock), self._servers[1]
        )

    async def start(self) -> tuple[int, int]:
        """Open both; the ports opened. Invalid if one is taken, Unavailable without an intermediate."""
        binds = (self._ports.bind, self._ports.enrol_bind)
        opened = [_open(server, bind, tls) for server, bind, tls in zip(self._servers, binds, self._tls, strict=True)]
        await whole(asyncio.gather(*(server.start() for server in self._servers)))
        LOG.info(line("wardens_welcome", bind=binds[0], enrol=binds[1]))
        return opened[0], opened[1]

    async def stop(self, grace: float) -> None:
        """Close both; wardens go on from what they keep."""
        await whole(asyncio.gather(*(server.stop(grace) for server in self._servers)))


def _open(server: grpc.aio.Server, bind: str, tls: ServerTls) -> int:
    try:
        return server.add_secure_port(bind, tls.credentials())
    except RuntimeError as taken:
        raise Invalid.one("", "cannot_listen", f"cannot listen on {bind}: is another process there?") from taken


def host_names(addresses: Sequence[str]) -> tuple[str, ...]:
    """The hosts of `host:port` addresses, as they stand in a certificate."""
    return tuple(dict.fromkeys(parted(a)[0] for a in addresses))
