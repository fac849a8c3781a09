"""Managed certificates from the hub to what a client sees: by name, not there yet, renewed."""

import asyncio
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.edge.keys import new_key
from gateway.proto import link_pb2 as link
from gateway.proto.host_pb2 import ResourceRef
from isthmus.adapters.acme_authority import AcmeAuthority
from isthmus.pki import foreign
from isthmus.xds import names
from isthmus.xds.snapshot import Type
from tests import build
from tests.acme_server import acme_server
from tests.certificates import owned
from tests.contract.agent.rig import FRONT, Joined, until
from tests.contract.agent.showing import ADDRESS, BOOKS, ROOT, SHOP, TLS, Client, Edge, pair, sent, shown_by, trusting
from tests.contract.agent.waiting import serving
from tests.contract.envoy.asking import ask
from tests.until import until as wait_until

SECONDS = 30.0
NOBODY = 503
"""The gateway's routes lead to nodes without instances: that its own Envoy says so is all that is asked here."""
_PEM = Encoding.PEM
CHALLENGE = link.Challenge(domain="shop.example", token="abc", answer="abc.thumb")


async def seen(condition: Callable[[], object]) -> object:
    """In a thread, because the agent and the warden live in this one; what refuses or breaks is not yet so."""

    def now() -> object:
        try:
            return condition()
        except OSError:
            return None

    return await asyncio.to_thread(wait_until, now, SECONDS)


@pytest.fixture
async def edge(joined: Joined) -> AsyncIterator[Edge]:
    """The gateway's host, with nothing running yet."""
    with tempfile.TemporaryDirectory(prefix="isthmus-") as home:
        yield Edge(joined, Path(home))


async def test_a_gateway_shows_managed_certificates_by_name_as_they_come_and_are_renewed(edge: Edge) -> None:
    authority = owned()
    client = Client(authority, edge.tls)
    shop, books = pair(authority, "shop.example", "www.shop.example"), pair(authority, "books.example")
    edge.offer(shown_by(TLS, SHOP, BOOKS))
    async with edge.joined.agent.run(), edge.warden(), edge.envoy():
        begun = monotonic()
        await seen(lambda: ask(ADDRESS, edge.plain, "any").status == NOBODY)
        assert monotonic() - begun < 14, "a proxy waited for a secret that is not there"
        assert client.refused(), "a port without a certificate is closed"

        edge.certify({SHOP: shop})
        assert await seen(lambda: client.serial("shop.example")) == shop.serial
        with pytest.raises(OSError, match="Hostname mismatch"):
            await asyncio.to_thread(client.serial, "books.example")

        kept = client.context.wrap_socket(socket.create_connection((ADDRESS, edge.tls)), server_hostname="shop.example")
        with kept:
            edge.certify({SHOP: shop, BOOKS: books})
            assert await seen(lambda: client.serial("books.example")) == books.serial
            assert await asyncio.to_thread(client.serial, "www.shop.example") == shop.serial
            kept.sendall(b"GET / HTTP/1.1\r\nhost: shop.example\r\n\r\n")
            assert (await asyncio.to_thread(kept.recv, 100)).startswith(b"HTTP/1.1 503"), "nothing was drained"

        renewed = pair(authority, "shop.example")
        with client.asking("shop.example") as answers:
            edge.certify({SHOP: renewed, BOOKS: books})
            assert await seen(lambda: client.serial("shop.example") == renewed.serial)
        assert set(answers) == {NOBODY}, answers
        with pytest.raises(OSError, match="verify failed"):
            await asyncio.to_thread(Client(owned(), edge.tls).serial, "shop.example")


async def test_an_acme_authority_finds_its_answer_at_every_gateway_and_only_while_it_asks(edge: Edge) -> None:
    path = f"/.well-known/acme-challenge/{CHALLENGE.token}"

    def answer(host: str, path: str = path) -> tuple[int, bytes]:
        said = ask(ADDRESS, edge.plain, host, path)
        return said.status, said.body

    edge.offer(shown_by(TLS, SHOP))
    async with edge.joined.agent.run(), edge.warden(), edge.envoy():
        await seen(lambda: answer("shop.example")[0] == NOBODY)
        edge.certify({}, CHALLENGE)
        await seen(lambda: answer("shop.example") == (200, b"abc.thumb"))
        assert answer("SHOP.example:80") == (200, b"abc.thumb")
        assert (answer("other.example")[0], answer("shop.example", path + "x")[0]) == (NOBODY, NOBODY)
        edge.certify({})
        await seen(lambda: answer("shop.example")[0] == NOBODY)


async def test_an_acme_authority_that_asks_a_real_gateway_issues_what_its_other_port_then_shows(edge: Edge) -> None:
    edge.offer(shown_by(TLS, SHOP))
    with acme_server() as acme:
        acme.leads["shop.example"] = f"{ADDRESS}:{edge.plain}"
        client, key = Client(acme.authority, edge.tls), new_key()
        account = await asyncio.to_thread(AcmeAuthority, acme.directory, key)
        authority = AcmeAuthority(acme.directory, key, await asyncio.to_thread(account.register))
        own = new_key()
        order = await asyncio.to_thread(authority.order, _request(own, "shop.example"))
        ((domain, (token, text)),) = order.answers.items()
        async with edge.joined.agent.run(), edge.warden(), edge.envoy():
            edge.certify({}, link.Challenge(domain=domain, token=token, answer=text))
            path = f"/.well-known/acme-challenge/{token}"
            await seen(lambda: ask(ADDRESS, edge.plain, domain, path).status == 200)
            await asyncio.to_thread(authority.ask, order.authorizations)
            assert (await asyncio.to_thread(authority.look, order.url, order.authorizations)).status == "ready"
            await asyncio.to_thread(authority.finalize, order.finalize, _request(own, "shop.example"))
            issued = await asyncio.to_thread(authority.look, order.url, order.authorizations)
            chain = await asyncio.to_thread(authority.chain, issued.certificate)
            edge.certify({SHOP: foreign.pair(chain, foreign.key_pem(own), datetime.now(UTC))})
            assert await seen(lambda: client.serial("shop.example"))


async def test_keys_are_kept_for_a_restart_without_a_hub_and_for_their_owner_alone(edge: Edge) -> None:
    joined, held = edge.joined, pair(owned(), "shop.example")
    edge.offer(shown_by(TLS, SHOP))
    edge.certify({SHOP: held})
    name = names.certificate(SHOP)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            await until(lambda: build.GATEWAY in stream.proxies, "the gateway has a state")
            await until(lambda: name in stream.names(build.GATEWAY, Type.SECRET), "its certificate is there")
    kept = joined.agent.folder / "kept" / "certificates.pb"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    await joined.rig.hub.stop(0)
    async with joined.agent.run():
        await serving(joined.agent)
        async with warden.stream() as stream:
            await stream.proxy(build.GATEWAY)
            assert name in stream.names(build.GATEWAY, Type.SECRET)
            assert held.key in stream.bodies[_version(stream.proxies[build.GATEWAY].refs, name)].body


async def test_only_a_proxy_that_shows_a_certificate_has_its_key(edge: Edge) -> None:
    joined = edge.joined
    edge.offer(shown_by(TLS, SHOP))
    joined.agent.list(FRONT, {"name": build.GATEWAY, "host": "h2", "address": ADDRESS, "ports": {TLS: edge.tls}})
    edge.certify({SHOP: pair(owned(), "shop.example")})
    async with joined.agent.run():
        near, far = await joined.agent.enrol("h1"), await joined.agent.enrol("h2")
        async with near.stream() as front, far.stream() as gateway:
            await gateway.proxy(build.GATEWAY)
            await until(lambda: names.certificate(SHOP) in gateway.names(build.GATEWAY, Type.SECRET), "it is there")
            await front.proxy("front")
            assert front.names("front", Type.SECRET) == {names.BUNDLE}
            assert not any(b"PRIVATE KEY" in body.body for body in front.bodies.values())


async def test_a_backend_waits_for_its_authority_and_everything_else_does_not(edge: Edge) -> None:
    """To trust nobody in particular would be to trust everybody."""
    joined, authority = edge.joined, owned()
    backend = names.backend("blue", 8080, build.SERVICE)
    edge.offer(trusting(ROOT))
    joined.agent.list(FRONT)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            await stream.proxy("front")
            assert backend not in stream.names("front", Type.CLUSTER)
            assert names.app(8080) in stream.names("front", Type.CLUSTER)
            message = sent({})
            message.authorities.add(arn=ROOT, roots_pem=authority.certificate.public_bytes(_PEM))
            joined.rig.feed.certify(joined.place, message)
            await until(lambda: backend in stream.names("front", Type.CLUSTER), "the backend is there")
            assert names.authority(ROOT) in stream.names("front", Type.SECRET)


async def test_a_certificate_that_cannot_be_used_leaves_the_others(edge: Edge) -> None:
    joined, authority = edge.joined, owned()
    good, other = pair(authority, "shop.example"), pair(authority, "books.example")
    edge.offer(shown_by(TLS, SHOP, BOOKS))
    message = sent({SHOP: good})
    message.certificates.add(arn=BOOKS, chain_pem=other.chain, key_pem=good.key)
    joined.rig.feed.certify(joined.place, message)
    async with joined.agent.run():
        warden = await joined.agent.enrol()
        async with warden.stream() as stream:
            name = names.certificate(BOOKS)
            await until(
                lambda: build.GATEWAY in stream.proxies and name in stream.names(build.GATEWAY, Type.SECRET), "served"
            )
            stand_in = stream.bodies[_version(stream.proxies[build.GATEWAY].refs, name)].body
            assert good.chain in stand_in
            assert other.chain not in stand_in


def _request(key: ec.EllipticCurvePrivateKey, domain: str) -> bytes:
    names = x509.SubjectAlternativeName([x509.DNSName(domain)])
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(names, critical=False)
    return request.sign(key, hashes.SHA256()).public_bytes(_PEM)


def _version(refs: Iterable[ResourceRef], name: str) -> str:
    return next(ref.version for ref in refs if ref.name == name)
