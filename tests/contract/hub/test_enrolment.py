"""How a replica gets its certificate, and every way in which it does not."""

import asyncio
import logging
import socket
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from gateway.proto import link_pb2 as link
from isthmus.pki import chain, csr, link_ca, verify
from isthmus.values import AgentId
from tests.contract.hub.conftest import DEADLINE, Identity, Rig, new_key, new_link_ca, until


async def refusal(call: Awaitable[link.LinkCertificate]) -> tuple[grpc.StatusCode, str]:
    """Status and stable code of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    metadata = raised.value.trailing_metadata() or ()
    return raised.value.code(), dict(metadata).get("isthmus-code", "")


async def test_a_token_buys_a_certificate_that_names_org_and_cluster(rig: Rig) -> None:
    place, key = rig.feed.cluster("east", "acme"), new_key()
    joined = await rig.join(rig.feed.token(place), key, "a-0")
    (made,) = chain.parse_pem(joined.certificate_pem)
    now = datetime.now(UTC)
    assert verify.link_agent(made, rig.ca.certificate, now=now) == AgentId(place.org, place.id, "a-0")
    assert made.public_key() == key.public_key()
    assert timedelta(hours=23) < made.not_valid_after_utc - now <= timedelta(hours=24)
    assert (joined.cluster, joined.org, list(joined.links)) == ("east", "acme", [rig.link_address])


async def test_the_chain_presented_holds_the_pinned_ca_on_both_ports(rig: Rig) -> None:
    """A newcomer knows only `sha256:HEX`; the server must show the certificate behind it."""
    for address in (rig.enrolment_address, rig.link_address):
        shown = await asyncio.to_thread(_chain_of, address)
        assert link_ca.pinned(shown, link_ca.fingerprint(rig.ca.certificate)) == rig.ca.certificate
        with pytest.raises(chain.Untrusted):
            link_ca.pinned(shown, link_ca.fingerprint(new_link_ca().certificate))


def _chain_of(address: str) -> tuple[x509.Certificate, ...]:
    host, _, port = address.rpartition(":")
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_alpn_protos([b"h2"])
    with socket.create_connection((host, int(port)), DEADLINE) as plain:
        plain.settimeout(None)  # pyOpenSSL needs a blocking socket
        connection = SSL.Connection(context, plain)
        connection.set_connect_state()
        connection.do_handshake()
        return tuple(connection.get_peer_cert_chain(as_cryptography=True) or ())


async def test_a_token_works_once(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    token = rig.feed.token(rig.feed.cluster("east", "acme"))
    await rig.join(token, new_key())
    request = link.JoinRequest(token=token, csr_der=csr.make(new_key()), replica="a-1")
    with caplog.at_level(logging.INFO):
        assert await refusal(rig.enrol().Join(request)) == (grpc.StatusCode.PERMISSION_DENIED, "permission_denied")
    assert "join refused" in caplog.text
    assert token not in caplog.text


@pytest.mark.parametrize(
    ("token", "request_der", "replica", "code"),
    [
        ("join_forged", None, "a-0", "permission_denied"),
        ("", None, "a-0", "permission_denied"),
        (None, b"not a request", "a-0", "validation_failed"),
        (None, b"", "a-0", "validation_failed"),
        (None, None, "../other", "validation_failed"),
        (None, None, "", "validation_failed"),
    ],
    ids=["forged token", "no token", "no request", "empty request", "a replica that is a path", "no replica"],
)
async def test_a_bad_join_is_refused(
    rig: Rig, token: str | None, request_der: bytes | None, replica: str, code: str
) -> None:
    good = rig.feed.token(rig.feed.cluster("east", "acme"))
    request = link.JoinRequest(
        token=good if token is None else token,
        csr_der=csr.make(new_key()) if request_der is None else request_der,
        replica=replica,
    )
    assert (await refusal(rig.enrol().Join(request)))[1] == code
    assert not rig.feed.members


async def test_an_expired_token_is_refused(rig: Rig) -> None:
    token = rig.feed.token(rig.feed.cluster("east", "acme"), timedelta(seconds=-1))
    request = link.JoinRequest(token=token, csr_der=csr.make(new_key()), replica="a-0")
    assert (await refusal(rig.enrol().Join(request)))[0] is grpc.StatusCode.PERMISSION_DENIED


async def test_a_malformed_request_does_not_spend_the_token(rig: Rig) -> None:
    token = rig.feed.token(rig.feed.cluster("east", "acme"))
    await refusal(rig.enrol().Join(link.JoinRequest(token=token, csr_der=b"?", replica="a-0")))
    await rig.join(token, new_key())


def renewal(
    held: Identity, key: ec.EllipticCurvePrivateKey | None = None, proof_by: ec.EllipticCurvePrivateKey | None = None
) -> link.RenewRequest:
    request = csr.make(key or new_key())
    return link.RenewRequest(
        certificate_der=chain.to_der(held.certificate),
        csr_der=request,
        proof=link_ca.prove(proof_by or held.key, request),
    )


async def test_a_replica_renews_and_speaks_with_the_new_key_only(rig: Rig) -> None:
    held, key = await rig.replica(rig.feed.cluster("east", "acme")), new_key()
    renewed = await rig.enrol().Renew(renewal(held, key))
    successor = Identity(key, chain.parse_pem(renewed.certificate_pem)[0])
    assert (await rig.connect(successor)).welcome.epoch == 1
    assert (await rig.refused(held))[0] is grpc.StatusCode.PERMISSION_DENIED


async def test_an_agent_that_lost_our_answer_asks_again_with_the_same_keys(rig: Rig) -> None:
    held, key = await rig.replica(rig.feed.cluster("east", "acme")), new_key()
    for _ in range(2):
        renewed = await rig.enrol().Renew(renewal(held, key))
    await rig.connect(Identity(key, chain.parse_pem(renewed.certificate_pem)[0]))


async def test_a_replaced_key_renews_nothing(rig: Rig) -> None:
    held = await rig.replica(rig.feed.cluster("east", "acme"))
    await rig.enrol().Renew(renewal(held))
    assert (await refusal(rig.enrol().Renew(renewal(held))))[0] is grpc.StatusCode.PERMISSION_DENIED


async def test_renewal_needs_proof_of_the_certified_key(rig: Rig) -> None:
    held = await rig.replica(rig.feed.cluster("east", "acme"))
    assert (await refusal(rig.enrol().Renew(renewal(held, proof_by=new_key()))))[1] == "certificate_refused"


async def test_a_certificate_of_another_ca_renews_nothing(rig: Rig) -> None:
    place = rig.feed.cluster("east", "acme")
    await rig.replica(place)
    forged = rig.certificate(AgentId(place.org, place.id, "a-0"), ca=new_link_ca())
    assert (await refusal(rig.enrol().Renew(renewal(forged))))[1] == "certificate_refused"


async def test_an_evicted_replica_renews_nothing(rig: Rig) -> None:
    place = rig.feed.cluster("east", "acme")
    held = await rig.replica(place)
    rig.feed.evict(AgentId(place.org, place.id, "a-0"))
    assert (await refusal(rig.enrol().Renew(renewal(held))))[0] is grpc.StatusCode.PERMISSION_DENIED


async def test_the_hub_says_that_it_is_here(rig: Rig) -> None:
    await until(lambda: "hub-1" in rig.feed.hubs, "the hub announces itself")


@pytest.mark.parametrize(("days", "works"), [(1.5, True), (30.9, True), (31.1, False)])
async def test_an_expired_certificate_renews_for_thirty_days(rig: Rig, days: float, works: bool) -> None:  # noqa: FBT001
    """It lived one day, so it expired `days` - 1 ago."""
    _, held = rig.enrolled(rig.feed.cluster("east", "acme"), days_ago=days)
    if works:
        assert (await rig.enrol().Renew(renewal(held))).certificate_pem
    else:
        assert (await refusal(rig.enrol().Renew(renewal(held))))[1] == "certificate_refused"
