"""link: the agent dials the hubs, one after another, until one answers, and then for ever again.

Losing the link loses nothing but news: everything that serves wardens stands on what is kept. Addresses are tried in
the order in which the hub gave them, nearest first, with a growing and jittered wait once all have failed.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import grpc

from gateway.agent.ca import Authority
from gateway.agent.cluster import Cluster
from gateway.agent.membership import Membership
from gateway.agent.signatures import Signatures
from gateway.agent.state import State
from gateway.agent.stream import Stream
from gateway.edge import backoff
from gateway.edge.lines import line
from gateway.proto.link_pb2_grpc import LinkStub
from isthmus.errors import Unavailable

LOG = logging.getLogger("isthmus.agent.link")
MESSAGE_LIMIT = 64 * 1024 * 1024
OPTIONS = [
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
    ("grpc.max_send_message_length", MESSAGE_LIMIT),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.use_local_subchannel_pool", 1),  # a renewed certificate must not find the old one's connection
]
_LONG_ENOUGH = 10.0
"""Seconds after which a stream counts as having worked, so that the wait begins small again."""


class Link:
    """The link of this replica. `epoch` is this life's: 0 until a hub has given one."""

    def __init__(
        self,
        membership: Membership,
        cluster: Cluster,
        state: State,
        authority: Authority,
        clock: Callable[[], datetime],
        signatures: Signatures,
    ) -> None:
        self._membership, self._cluster, self._state = membership, cluster, state
        self._authority, self._clock, self._signatures = authority, clock, signatures
        self._epoch = 0

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            links = self._membership.credential.links
            if not links:
                await self._membership.renewed.wait()
                continue
            address = links[failures % len(links)]
            started = asyncio.get_running_loop().time()
            why, refused = await self._speak(address)
            if asyncio.get_running_loop().time() - started > _LONG_ENOUGH:
                failures = 0
            failures += 1
            wait = 0.0 if failures < len(links) else backoff.seconds(failures, backoff.spread(), refused=refused)
            LOG.warning(line("link_down", hub=address, why=why, again_in=f"{wait:.2f}"))
            await self._rest(wait)

    async def _speak(self, address: str) -> tuple[str, bool]:
        """One stream from its beginning to its end: why it ended, and whether we were refused."""
        async with grpc.aio.secure_channel(address, self._membership.credential.channel(), OPTIONS) as channel:
            call = LinkStub(channel).Connect()
            questions = self._signatures.questions
            stream = Stream(call, self._cluster, self._state, self._authority, self._clock, address, questions)
            try:
                await stream.run(self._epoch)
            except grpc.aio.AioRpcError as error:
                return error.details() or error.code().name, error.code() is grpc.StatusCode.PERMISSION_DENIED
            except Unavailable as error:
                refused = call.done() and await call.code() is grpc.StatusCode.PERMISSION_DENIED
                return str(error), refused
            except Exception:
                LOG.exception(line("link_failed", hub=address))
                return "our own error", False
            finally:
                self._epoch = stream.epoch or self._epoch
                call.cancel()
        return "the hub hung up", False

    async def _rest(self, wait: float) -> None:
        """Wait; a new certificate ends it, because that may be what was missing."""
        self._membership.renewed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._membership.renewed.wait()
