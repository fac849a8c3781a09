"""A virtual gateway whose port shows managed certificates, its Envoy under a real warden, and clients that check."""

import asyncio
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from gateway.agent.running import host_token
from gateway.proto import link_pb2 as link
from gateway.warden.credential import join
from gateway.warden.link import Link
from gateway.warden.warden import Warden, clock
from isthmus.pki.chain import to_pem
from isthmus.pki.foreign import Pair
from isthmus.pki.signer import Issuer
from isthmus.xds.snapshot import Snapshot
from tests import build
from tests.certificates import brought
from tests.contract.agent.rig import MESH, Joined, free_port, instance, snapshot, until

ADDRESS = "127.85.0.1"
PLAIN, TLS = 9080, 9443
SHOP, BOOKS, ROOT = (f"arn:aws:acm:us-east-1:111122223333:certificate/{name}" for name in ("shop", "books", "root"))


def shown_by(port: int, *arns: str) -> Snapshot:
    """The mesh of `build`, whose gateway shows these certificates at a port: its own, and further ones by name."""
    own, *further = arns
    tls = {"mode": "STRICT", "certificate": {"acm": {"certificateArn": own}}}
    listed = [
        {"portMapping": {"port": p, "protocol": "http"}} | ({"tls": tls} if p == port else {}) for p in (PLAIN, TLS)
    ]
    more = {"gateway": build.GATEWAY, "port": port, "certificates": further}
    extra = [build.document("ListenerCertificates", "more", more)] if further else []
    return snapshot(build.mesh(build.document("VirtualGateway", build.GATEWAY, {"listeners": listed}), *extra))


def trusting(*arns: str) -> Snapshot:
    """The same mesh, in which a policy of `front` demands that its backend's certificates are of these authorities."""
    policy = {"tls": {"validation": {"trust": {"acm": {"certificateAuthorityArns": list(arns)}}}}}
    backend = {"virtualService": {"virtualServiceName": build.SERVICE, "clientPolicy": policy}}
    listeners = [{"portMapping": {"port": 8080, "protocol": "http"}}]
    return snapshot(build.mesh(build.document("VirtualNode", "front", {"listeners": listeners, "backends": [backend]})))


def sent(held: Mapping[str, Pair], *challenges: link.Challenge) -> link.Certificates:
    """What a hub sends of these."""
    out = link.Certificates(challenges=challenges)
    for arn, pair in held.items():
        out.certificates.add(arn=arn, chain_pem=pair.chain, key_pem=pair.key)
    return out


@dataclass
class Client:
    """Somebody outside who trusts an authority."""

    authority: Issuer
    port: int

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=to_pem([self.authority.certificate]).decode())

    def serial(self, domain: str) -> str:
        """The serial of what a domain shows, once it has passed the client's own checks; OSError otherwise."""
        with self._connected(domain) as secure:
            held = secure.getpeercert(binary_form=True)
        assert held
        return f"{x509.load_der_x509_certificate(held).serial_number:x}"

    def ask(self, domain: str) -> int:
        """The status of one request on a connection of its own."""
        with self._connected(domain) as secure:
            secure.sendall(f"GET / HTTP/1.1\r\nhost: {domain}\r\nconnection: close\r\n\r\n".encode())
            return int(secure.recv(4096).split()[1])

    @contextmanager
    def _connected(self, domain: str) -> Iterator[ssl.SSLSocket]:
        plain = socket.create_connection((ADDRESS, self.port), 5)
        with plain, self.context.wrap_socket(plain, server_hostname=domain) as secure:
            yield secure

    def refused(self) -> bool:
        """Whether nobody listens."""
        with socket.socket() as probe:
            return probe.connect_ex((ADDRESS, self.port)) != 0

    @contextmanager
    def asking(self, domain: str) -> Iterator[list[int | str]]:
        """What comes of requests that are made one after the other while the block lasts."""
        seen: list[int | str] = []
        over = threading.Event()

        def run() -> None:
            while not over.is_set():
                try:
                    seen.append(self.ask(domain))
                except OSError as failed:
                    seen.append(str(failed))

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield seen
        finally:
            over.set()
            thread.join()


@dataclass
class Edge:
    """The gateway's host: a warden and one Envoy. `plain` and `tls`: where its ports are bound."""

    joined: Joined
    home: Path
    plain: int = field(default_factory=free_port)
    tls: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        ports = {PLAIN: self.plain, TLS: self.tls}
        self.joined.agent.list(instance(build.GATEWAY, address=ADDRESS, ports=ports))

    def offer(self, made: Snapshot, revision: int = 1) -> None:
        """The cluster is to have this."""
        self.joined.rig.feed.offer(self.joined.place, MESH, made, revision)

    def certify(self, held: Mapping[str, Pair], *challenges: link.Challenge) -> None:
        """The cluster is to have these certificates."""
        self.joined.rig.feed.certify(self.joined.place, sent(held, *challenges))

    @asynccontextmanager
    async def warden(self) -> AsyncIterator[Warden]:
        """A warden of the host, beside the agent, which runs."""
        folder = self.joined.agent.folder
        await until((folder / "wardens.json").exists, "the agent lets wardens in")
        token = host_token(folder, "h1")
        credential = await join(token.agent, token.agent_ca, token.token, clock())
        made = Warden(self.home / "data", self.home / "sockets")
        await made.begin()
        task = asyncio.create_task(Link(made, credential, self.home / "host.json").run())
        try:
            yield made
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await made.end()

    @asynccontextmanager
    async def envoy(self) -> AsyncIterator[None]:
        """The gateway's Envoy, as `isthmus proxy` starts it."""
        sockets = self.home / "sockets"
        command = [sys.executable, "-m", "isthmus.cli.main", "proxy", "--warden-dir", str(sockets)]
        command += ["--name", build.GATEWAY, "--admin", f"127.0.0.1:{free_port()}", "--concurrency", "1"]
        process = await asyncio.to_thread(subprocess.Popen, command)
        try:
            yield
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 10)


def pair(authority: Issuer, *domains: str) -> Pair:
    """A certificate for these domains."""
    return brought(*domains, under=authority)
