"""No TLS session is resumed at a hub: a resumed one would skip the check of the client's certificate (R5)."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from isthmus.pki import chain
from tests.contract.hub.conftest import DEADLINE, Identity, Rig, key_pem


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
async def test_a_session_ticket_opens_nothing(rig: Rig, tmp_path: Path, version: ssl.TLSVersion) -> None:
    context = _client(await rig.replica(rig.feed.cluster("east", "acme")), rig, tmp_path, version)
    first, session = await asyncio.to_thread(_shake, context, rig.link_address, None)
    assert not first
    assert session is not None, "without a ticket this test shows nothing"
    for _ in range(20):
        resumed, _ = await asyncio.to_thread(_shake, context, rig.link_address, session)
        assert not resumed


def _client(who: Identity, rig: Rig, folder: Path, version: ssl.TLSVersion) -> ssl.SSLContext:
    (folder / "pair").write_bytes(key_pem(who.key) + chain.to_pem([who.certificate]))
    context = ssl.create_default_context(cadata=chain.to_pem([rig.ca.certificate]).decode())
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2"])
    context.load_cert_chain(folder / "pair")
    return context


def _shake(
    context: ssl.SSLContext, address: str, session: ssl.SSLSession | None
) -> tuple[bool | None, ssl.SSLSession | None]:
    """Whether a session was resumed, and the one to try next; a TLS 1.3 ticket comes with the first bytes of HTTP/2."""
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), DEADLINE) as plain,
        context.wrap_socket(plain, server_hostname=host, session=session) as secure,
    ):
        secure.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        secure.recv(1)
        return secure.session_reused, secure.session
