"""imaging: an agent with a port for App Mesh's image, and an Envoy of that image that speaks by hand.

The verifier knows one key of one account; the certificate is of a CA of the customer's own. Signatures are botocore's.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import grpc
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2

from gateway.agent.aws_image.settings import Settings
from isthmus import sigv4
from isthmus.errors import Unavailable
from isthmus.values import Secret
from isthmus.xds.snapshot import TYPE_OF_URL, TYPE_URL, Type
from tests.contract.agent.rig import DEADLINE, OPTIONS, free_port, until
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


def signed(url: str, key: str = KEY, secret: str = SECRET, service: str = "appmesh") -> Metadata:
    """The metadata of a call, as App Mesh's image makes it."""
    request = AWSRequest("POST", url)
    SigV4Auth(Credentials(key, secret), service, "us-east-1").add_auth(request)
    return [(name.lower(), value) for name, value in request.headers.items()]


class _Signing(grpc.AuthMetadataPlugin):
    """Signs each call anew; `change` spoils what was signed."""

    def __init__(self, sign: Callable[[str], Metadata]) -> None:
        self._sign = sign

    def __call__(self, context: grpc.AuthMetadataContext, callback: grpc.AuthMetadataPluginCallback) -> None:
        callback(tuple(self._sign(f"{context.service_url}/{context.method_name}")), None)


@dataclass
class Image:
    """An Envoy's stream by hand: what came, by type and name, in all that was acknowledged."""

    call: Any
    id: str
    minor: int = 40
    responses: list[discovery_pb2.DiscoveryResponse] = field(default_factory=list)
    reading: Any = None
    refuse: Callable[[discovery_pb2.DiscoveryResponse], str] = lambda _: ""
    _names: dict[str, tuple[str, ...]] = field(default_factory=dict)

    async def ask(self, kind: Type, *names: str) -> None:
        self._names[TYPE_URL[kind]] = names
        await self._say(TYPE_URL[kind], "", "")

    async def read(self) -> None:
        while (response := await self.call.read()) is not grpc.aio.EOF:
            self.responses.append(response)
            await self._say(response.type_url, response.version_info, response.nonce, self.refuse(response))

    async def _say(self, url: str, version: str, nonce: str, wrong: str = "") -> None:
        request = discovery_pb2.DiscoveryRequest(type_url=url, version_info=version, response_nonce=nonce)
        request.resource_names.extend(self._names[url])
        request.node.CopyFrom(node(self.id, self.minor))
        if wrong:
            request.error_detail.code, request.error_detail.message = 13, wrong
        await self.call.write(request)

    def bodies(self, kind: Type) -> list[bytes]:
        """The newest response of a type."""
        of = [r for r in self.responses if TYPE_OF_URL[r.type_url] == kind]
        return [resource.value for resource in of[-1].resources] if of else []

    async def got(self, kind: Type, what: bytes) -> bytes:
        """A resource of the newest response that has this in it."""
        return await until(  # type: ignore[no-any-return]
            lambda: next((b for b in self.bodies(kind) if what in b), None), f"{what!r} in {kind}"
        )

    async def ended(self) -> tuple[grpc.StatusCode, str]:
        """How the agent ended the stream."""
        async with asyncio.timeout(DEADLINE):
            return await self.call.code(), await self.call.details()


@asynccontextmanager
async def image(
    where: Settings,
    root: bytes,
    name: str = FRONT,
    sign: Callable[[str], Metadata] = signed,
    kinds: Iterable[Type] = (Type.CLUSTER, Type.LISTENER),
    source: str = "127.0.0.1",
    minor: int = 40,
    **more: Any,  # noqa: ANN401 - Image's fields
) -> AsyncIterator[Image]:
    """An Envoy that asks for clusters and listeners, over TLS, under credentials."""
    trust = grpc.ssl_channel_credentials(root)
    both = grpc.composite_channel_credentials(trust, grpc.metadata_call_credentials(_Signing(sign)))
    async with grpc.aio.secure_channel(where.bind, both, OPTIONS) as channel:
        call = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).StreamAggregatedResources(wait_for_ready=True)
        made = Image(call, name, minor, **more)
        made.reading = asyncio.create_task(made.read())
        try:
            for kind in kinds:
                await made.ask(kind)
            yield made
        finally:
            call.cancel()
            await asyncio.gather(made.reading, return_exceptions=True)
