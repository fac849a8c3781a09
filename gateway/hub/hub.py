"""hub: two ports and the tasks beside them.

Enrolment must be reachable without a certificate, the link must not, and one TLS port cannot be both. Addresses are not
shared between processes (`so_reuseport`), so a second hub on the same port fails at once, and not now and then.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self

import grpc

from gateway.edge.pings import TOLERANT
from gateway.hub.credentials import HubCertificate
from gateway.hub.enrolment import Enrolment
from gateway.hub.feed import Feed, Here
from gateway.hub.link import Link
from gateway.hub.stream import MESSAGE_LIMIT, Timing
from gateway.hub.wakes import Wakes
from gateway.proto import link_pb2_grpc
from isthmus.errors import Invalid
from isthmus.hostport import parted
from isthmus.pki.signer import Issuer
from isthmus.values import BASE_DOMAIN

log = logging.getLogger(__name__)

ANNOUNCE_SECONDS = 5.0
_KEEPALIVE = [
    *TOLERANT,
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
]
_LINK_OPTIONS = [
    *_KEEPALIVE,
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
    ("grpc.max_send_message_length", MESSAGE_LIMIT),
    ("grpc.max_concurrent_streams", 16),  # of one connection; an agent needs one
]
_ENROLMENT_OPTIONS = [*_KEEPALIVE, ("grpc.max_receive_message_length", 64 * 1024)]  # a token and a request


def _now() -> datetime:
    return datetime.now(UTC)


class Hub:
    """One hub. Made and used inside a running event loop; `here` holds the addresses that agents dial."""

    def __init__(
        self,
        feed: Feed,
        ca: Issuer,
        here: Here,
        *,
        base: str = BASE_DOMAIN,
        timing: Timing | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._feed = feed
        self._here = here
        self._wakes = Wakes(feed)
        self._link = Link(feed, self._wakes, here.name, ca.certificate, base, clock, timing or Timing())
        self._link_certificate = HubCertificate(ca, [_host(here.link)], clock, clients=True)
        self._enrolment_certificate = HubCertificate(ca, [_host(here.enrolment)], clock, clients=False)
        self._link_server = grpc.aio.server(options=_LINK_OPTIONS)
        self._enrolment_server = grpc.aio.server(options=_ENROLMENT_OPTIONS)
        link_pb2_grpc.add_LinkServicer_to_server(self._link, self._link_server)
        link_pb2_grpc.add_EnrolmentServicer_to_server(Enrolment(feed, ca, base, clock), self._enrolment_server)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, link_bind: str, enrolment_bind: str) -> tuple[int, int]:
        """Open both ports (host:port, 0 for a free one) and say that we are here; the ports opened."""
        ports = (
            _open(self._link_server, link_bind, self._link_certificate, "/hub_link_bind"),
            _open(self._enrolment_server, enrolment_bind, self._enrolment_certificate, "/hub_enrolment_bind"),
        )
        await self._link_server.start()
        await self._enrolment_server.start()
        self._tasks = [asyncio.create_task(self._wakes.run()), asyncio.create_task(self._announce())]
        log.info("hub %s serves agents on %s, enrolment on %s", self._here.name, link_bind, enrolment_bind)
        return ports

    async def stop(self, grace: float = 5.0) -> None:
        """End every stream with `hub_stopping`, so that agents dial another hub at once; GOAWAY; close."""
        self._link.stopping.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(self._link_server.stop(grace), self._enrolment_server.stop(grace))
        log.info("hub %s stopped", self._here.name)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _announce(self) -> None:
        while True:
            try:
                await self._feed.announce(self._here)
            except Exception:
                log.exception("hub %s could not say that it is here", self._here.name)
            await asyncio.sleep(ANNOUNCE_SECONDS)


def _open(server: grpc.aio.Server, bind: str, certificate: HubCertificate, pointer: str) -> int:
    try:
        return server.add_secure_port(bind, certificate.credentials())
    except RuntimeError as taken:
        raise Invalid.one(pointer, "cannot_listen", f"cannot listen on {bind}: is another process there?") from taken


def _host(address: str) -> str:
    return parted(address)[0]
