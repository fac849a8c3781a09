"""proxyless: an application of a stage that calls by gRPC's own xDS client, and the warden of its host.

The stage's definition, endpoints and roots are what the warden is told; its certificates are signed by the stage's own
trust domain of east, as an agent would.
"""

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Coroutine, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.proto import host_pb2 as host
from gateway.warden.proxyless import CREDENTIALS, ENVIRONMENT, ROLE
from gateway.warden.warden import Warden
from isthmus.values import TrustDomain
from isthmus.xds import secrets
from isthmus.xds.proxyless import Told, compose
from isthmus.xds.snapshot import Resource
from tests.contract.envoy.certificates import Domain
from tests.contract.envoy.grpc_client import Client, environment
from tests.until import until

NAME = "grpc-front"
OLD = timedelta(seconds=120)
"""The rest of a life that began five minutes ago: it is renewed at once."""


class Played(Protocol):
    """What a host must know of what is played: a `Stage`, or less."""

    domains: dict[str, Domain]

    def calling(self, cluster: str, node: str) -> tuple[list[Resource], Mapping[str, Resource]]:
        """A node's view, and its cluster's endpoints."""
        ...


class Host:
    """A host in east with one such application, of a node.

    `own` signs for it, `trusted` are the domains it is told to trust; `instead`: resources in place of those of their
    names that are composed for it, or that it is composed from.
    """

    def __init__(self, stage: Played, node: str = "front") -> None:
        self.stage, self.node = stage, node
        self._home = Path(tempfile.mkdtemp(prefix="isthmus-"))
        self.folder = self._home / "s" / NAME
        self.warden = Warden(self._home / "data", self._home / "s")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.own, self.trusted = stage.domains["east"], list(stage.domains.values())
        self.lacks: tuple[str, ...] = ()
        self.told: list[Resource] = []
        self.instead: tuple[Resource, ...] = ()
        self.clients: list[Client] = []

    def tell(self) -> None:
        """What the stage has now; until every stream has acknowledged it, if there are any."""
        definition = self.offer()
        if self.report().connected:
            until(lambda: self.report().acked == definition, 30)

    def offer(self) -> str:
        """The same without waiting; the definition that is to be acknowledged."""
        told = self._told()
        listed = [(self._meant(r), proven) for r, proven in told.composed]
        refs = [
            host.ResourceRef(type=r.type, name=r.name, version=r.ref.version, proven=proven) for r, proven in listed
        ]
        bodies = [host.ResourceBody(version=r.ref.version, type=r.type, name=r.name, body=r.body) for r, _ in listed]
        definition = "".join(ref.version for ref in refs if ref.proven)
        state = host.ProxyState(
            proxy=NAME, identity=self._identity, role=ROLE, refs=refs, definition=definition, minor="1.40"
        )
        self.lacks, self.told = told.lacks, [r for r, _ in listed]
        self._run(self.warden.take(host.ProxyStates(proxies=[state], bodies=bodies)))
        self.certify()
        return definition

    def certify(self) -> None:
        """Answer the warden's requests for leaves, as its agent does. Half of their life is over, so it asks again."""
        for request in self._run(_now(self.warden.requests)):
            key = x509.load_der_x509_csr(request.csr_der).public_key()
            assert isinstance(key, ec.EllipticCurvePublicKey)
            leaf = host.Leaf(proxy=request.proxy, chain_pem=self.own.signed(self._identity, key, OLD))
            self._run(self.warden.accept(leaf))

    def leave(self) -> None:
        """The instance is not listed any more."""
        self._run(self.warden.take(host.ProxyStates()))

    def client(self, **changed: str) -> Client:
        """A process of the application, started from the files that the warden wrote; `changed` in its environment."""
        self.clients.append(Client(environment(self.folder / ENVIRONMENT) | changed))
        return self.clients[-1]

    def report(self) -> host.ProxyReport:
        """What the warden would tell its agent."""
        return self._run(_now(lambda: self.warden.proxies[NAME].report(0.0)))  # type: ignore[no-any-return]

    def certificate(self) -> x509.Certificate:
        """What the application shows now."""
        return x509.load_pem_x509_certificate((self.folder / CREDENTIALS / "certificate.pem").read_bytes())

    def stop(self) -> None:
        """Leaves nothing running, and no file."""
        for client in self.clients:
            client.stop()
        self._run(self.warden.end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        shutil.rmtree(self._home)

    @property
    def _identity(self) -> str:
        return TrustDomain(self.own.name).node("shop", self.node)

    def _told(self) -> Told:
        roots: dict[str, list[bytes]] = {}
        for domain in self.trusted:
            roots.setdefault(domain.name, []).append(domain.pem)
        view, found = self.stage.calling("east", self.node)
        return compose(view, {name: self._meant(r) for name, r in found.items()}, secrets.bundle(roots))

    def _meant(self, made: Resource) -> Resource:
        return next((r for r in self.instead if (r.type, r.name) == (made.type, made.name)), made)

    def _run(self, act: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever it gives
        return asyncio.run_coroutine_threadsafe(act, self._loop).result(30)


async def _now(act: Any) -> Any:  # noqa: ANN401 - in the warden's own thread
    return act()
