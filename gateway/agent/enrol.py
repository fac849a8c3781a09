"""enrol: how this replica gets its link certificate: once by a join token, and ever after by the key that it holds.

A hub is believed only if the CA that the operator pinned signs for it. The token is spent by a hub that refuses for
other reasons after that, so everything that can be checked before it leaves is checked before.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

import grpc

from gateway.agent.credential import Credential, granted
from gateway.agent.presented import pinned_ca
from gateway.edge.keys import new_key
from gateway.proto import link_pb2 as link
from gateway.proto.link_pb2_grpc import EnrolmentStub
from isthmus.errors import Denied, Unavailable
from isthmus.pki import chain, csr, link_ca
from isthmus.pki.chain import Untrusted, to_pem
from isthmus.values import Secret, dns_label

_SECONDS = 15.0
Answer = TypeVar("Answer")


async def join(hub: str, pin: str, token: Secret, replica: str, now: datetime) -> Credential:
    """Spend a join token at the hub's enrolment address.

    Untrusted if this is not the pinned hub, Denied if it refuses, Unavailable without an answer, Invalid for a replica
    that is no DNS label.
    """
    dns_label(replica, "/replica", "a replica's name")
    ca = await asyncio.to_thread(pinned_ca, hub, pin, now)
    key = new_key()
    request = link.JoinRequest(token=token, csr_der=csr.make(key), replica=replica)
    async with grpc.aio.secure_channel(hub, grpc.ssl_channel_credentials(to_pem([ca]))) as channel:
        answer = await _answered(EnrolmentStub(channel).Join(request, timeout=_SECONDS))
    made = granted(answer, key, [hub], now)
    if made.link_ca != ca:
        raise Untrusted("the hub speaks for another link CA than the pinned one")
    return made


def begin_renewal(held: Credential) -> Credential:
    """The credential with the key of its successor, the same one until the renewal has ended. To be saved first."""
    return held if held.next_key else replace(held, next_key=new_key())


async def renew(held: Credential, hub: str, now: datetime) -> Credential:
    """A successor for a credential that `begin_renewal` made; the errors are `join`'s."""
    assert held.next_key is not None, "begin_renewal comes first"
    request = csr.make(held.next_key)
    renewal = link.RenewRequest(
        certificate_der=chain.to_der(held.certificate), csr_der=request, proof=link_ca.prove(held.key, request)
    )
    roots = grpc.ssl_channel_credentials(to_pem([held.link_ca]))
    async with grpc.aio.secure_channel(hub, roots) as channel:
        answer = await _answered(EnrolmentStub(channel).Renew(renewal, timeout=_SECONDS))
    return held.renewed(answer, now)


REFUSALS = frozenset({grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT})


async def _answered(call: Awaitable[Answer]) -> Answer:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        said = error.details() or error.code().name
        raise (Denied(said) if error.code() in REFUSALS else Unavailable(said)) from error
