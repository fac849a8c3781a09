"""imaging: an agent with a port for App Mesh's image, and an Envoy of that image that speaks by hand.

The verifier knows one key of one account; the certificate is of a CA of the customer's own. Signatures are botocore's.
"""

import asyncio
import datetime as dt
import queue
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from unittest.mock import patch

import grpc
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2

from gateway.agent.aws_image.settings import Settings
from gateway.proto import link_pb2 as link
from isthmus import sigv4
from isthmus.errors import Unavailable
from isthmus.values import Secret
from isthmus.xds.snapshot import TYPE_OF_URL, TYPE_URL, Type
from tests.contract.agent.rig import DEADLINE, OPTIONS, Joined, free_port, until
from tests.unit.ads.speaking import node

ACCOUNT, OTHER = "111122223333", "999999999999"
KEY, OTHERS_KEY = "AKIAABCDEFGHIJKLMNOP", "AKIAZZZZZZZZZZZZZZZZ"
SECRET = Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
FRONT = "mesh/shop/virtualNode/front"
Metadata = list[tuple[str, str]]
_PEM = serialization.Encoding.PEM


@dataclass
class Keys:
    """A verifier that knows two accounts' keys. `away`: nobody can be asked."""

    away: bool = False
    asked: int = 0

    async def account(self, claim: sigv4.Claim, to_sign: str) -> str:
        self.asked += 1
        if self.away:
            raise Unavailable("no hub answers")
        owner = {KEY: ACCOUNT, OTHERS_KEY: OTHER}.get(claim.key)
        if owner is None:
            raise sigv4.UnknownKey("The security token included in the request is invalid.")
        if not sigv4.holds(SECRET, claim, to_sign):
            raise sigv4.Mismatch
        return owner


class Customer:
    """A CA of the customer's own and the files of a server's certificate."""

    def __init__(self, folder: Path) -> None:
        self.cert, self.key, self.root = folder / "tls.crt", folder / "tls.key", folder / "ca.crt"
        self.renew()

    @property
    def pem(self) -> bytes:
        """What clients trust."""
        return self.root.read_bytes()

    def renew(self) -> None:
        """Another CA, and a certificate of it."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "xds.customer.test")])
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")])
        now = dt.datetime.now(dt.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        plain = serialization.NoEncryption()
        self.key.write_bytes(key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, plain))
        self.cert.write_bytes(made.public_bytes(_PEM))
        self.root.write_bytes(made.public_bytes(_PEM))


def settings(customer: Customer, verifier: Keys, **more: Any) -> Settings:  # noqa: ANN401 - Settings' fields
    """A free port, dialled as 127.0.0.1 after another name."""
    bind = f"127.0.0.1:{free_port()}"
    made: dict[str, Any] = {"hosts": ("xds.customer.test:443", "127.0.0.1"), "verifier": verifier}
    return Settings(bind, customer.cert, customer.key, **(made | more))


def signed(
    url: str, key: str = KEY, secret: str = SECRET, service: str = "appmesh", headers: Mapping[str, str] | None = None
) -> Metadata:
    """The metadata of a call, as App Mesh's image makes it."""
    request = AWSRequest("POST", url, headers=dict(headers or {}))
    SigV4Auth(Credentials(key, secret), service, "us-east-1").add_auth(request)
    return [(name.lower(), value) for name, value in request.headers.items()]


def signed_late(url: str) -> Metadata:
    """A signature of six minutes ago."""
    then = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=6)
    with patch("botocore.auth.get_current_datetime", lambda: then):
        return signed(url)


@asynccontextmanager
async def serving(joined: Joined, where: Settings, revision: int = 1) -> AsyncIterator[None]:
    """The agent, once it has the mesh: an Envoy that comes before would be sent away, and come again."""
    async with joined.agent.run(aws_image=where):
        await until(lambda: any(_applied(beat, revision) for beat in joined.said("heartbeat")), "the mesh is here")
        yield


def _applied(beat: Any, revision: int) -> bool:  # noqa: ANN401 - a Heartbeat
    return any(p.lane == link.DEFINITION and p.generation == revision for p in beat.applied)


class _Signing(grpc.AuthMetadataPlugin):
    """Signs each call anew."""

    def __init__(self, sign: Callable[[str], Metadata]) -> None:
        self._sign = sign

    def __call__(self, context: grpc.AuthMetadataContext, callback: grpc.AuthMetadataPluginCallback) -> None:
        callback(tuple(self._sign(f"{context.service_url}/{context.method_name}")), None)


class Image:
    """An Envoy's stream by hand, in a thread of its own: what came is acknowledged unless `refuse` says why not.

    Not `grpc.aio`: that forgets how a stream ended that ended while it was written to.
    """

    def __init__(
        self, channel: grpc.Channel, name: str, minor: int, refuse: Callable[[discovery_pb2.DiscoveryResponse], str]
    ) -> None:
        self.responses: list[discovery_pb2.DiscoveryResponse] = []
        self._node, self._refuse = node(name, minor), refuse
        self._names: dict[str, tuple[str, ...]] = {}
        self._out: queue.SimpleQueue[discovery_pb2.DiscoveryRequest | None] = queue.SimpleQueue()
        stub = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel)
        self._call = stub.StreamAggregatedResources(iter(self._out.get, None), wait_for_ready=True)
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def ask(self, kind: Type, *names: str) -> None:
        """Subscribe; of a wildcard type to all."""
        self._names[TYPE_URL[kind]] = names
        self._say(TYPE_URL[kind], "", "")

    def _read(self) -> None:
        with suppress(grpc.RpcError):
            for response in self._call:
                self.responses.append(response)
                self._say(response.type_url, response.version_info, response.nonce, self._refuse(response))

    def _say(self, url: str, version: str, nonce: str, wrong: str = "") -> None:
        request = discovery_pb2.DiscoveryRequest(type_url=url, version_info=version, response_nonce=nonce)
        request.resource_names.extend(self._names[url])
        request.node.CopyFrom(self._node)
        if wrong:
            request.error_detail.code, request.error_detail.message = 13, wrong
        self._out.put(request)

    def bodies(self, kind: Type) -> list[bytes]:
        """The newest response of a type."""
        of = [r for r in self.responses if TYPE_OF_URL[r.type_url] == kind]
        return [resource.value for resource in of[-1].resources] if of else []

    async def everything(self) -> None:
        """Ask for all that clusters, listeners and route tables refer to, as Envoy does.

        `outbound` comes last: it names a cluster, so it waits until that is acknowledged.
        """
        await self.got(Type.LISTENER, b"outbound/http/fence")
        await self.got(Type.CLUSTER, b"")
        managers = [
            hcm_pb2.HttpConnectionManager.FromString(each.typed_config.value)
            for body in self.bodies(Type.LISTENER)
            for chain in listener_pb2.Listener.FromString(body).filter_chains
            for each in chain.filters
            if each.typed_config.Is(hcm_pb2.HttpConnectionManager.DESCRIPTOR)
        ]
        slots = {f.name for manager in managers for f in manager.http_filters if f.HasField("config_discovery")}
        clusters = map(cluster_pb2.Cluster.FromString, self.bodies(Type.CLUSTER))
        self.ask(Type.ENDPOINTS, *(each.name for each in clusters if each.type == cluster_pb2.Cluster.EDS))
        self.ask(Type.EXTENSION, *sorted(slots))
        self.ask(Type.ROUTES, *sorted({manager.rds.route_config_name for manager in managers}))

    async def got(self, kind: Type, what: bytes) -> bytes:
        """A resource of a type that has this in it, among all that came."""
        return await until(lambda: self._found(kind, what), f"{what!r} in {kind}")  # type: ignore[no-any-return]

    def _found(self, kind: Type, what: bytes) -> bytes | None:
        of = [r for r in self.responses if TYPE_OF_URL[r.type_url] == kind]
        return next((b.value for r in reversed(of) for b in r.resources if what in b.value), None)

    async def ended(self) -> tuple[grpc.StatusCode, str]:
        """How the agent ended the stream."""
        async with asyncio.timeout(DEADLINE):
            await asyncio.to_thread(self._reading.join)
        return self._call.code(), self._call.details()

    def stop(self) -> None:
        """Leaves nothing running."""
        self._call.cancel()
        self._out.put(None)
        self._reading.join()


@asynccontextmanager
async def image(
    where: Settings,
    root: bytes,
    name: str = FRONT,
    sign: Callable[[str], Metadata] = signed,
    minor: int = 40,
    refuse: Callable[[discovery_pb2.DiscoveryResponse], str] = lambda _: "",
) -> AsyncIterator[Image]:
    """An Envoy that asks for clusters and listeners, over TLS, under credentials."""
    trust = grpc.ssl_channel_credentials(root)
    both = grpc.composite_channel_credentials(trust, grpc.metadata_call_credentials(_Signing(sign)))
    with grpc.secure_channel(where.bind, both, OPTIONS) as channel:
        made = Image(channel, name, minor, refuse)
        try:
            made.ask(Type.CLUSTER)
            made.ask(Type.LISTENER)
            yield made
        finally:
            await asyncio.to_thread(made.stop)
