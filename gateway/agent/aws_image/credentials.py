"""credentials: the SigV4 signature in a stream's metadata, made whole again from what gRPC shows of a request.

gRPC's Python server keeps `:authority` and two constant headers to itself. So the constants are supplied, and the host
is each of the names that we are dialled by. The body is a stream, which nobody can hash beforehand: clients sign the
empty one or, in `x-amz-content-sha256`, say what they signed instead.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from gateway.agent.aws_image.verifier import Verifier
from isthmus import sigv4
from isthmus.sigv4 import Claim, Headers, Target

SERVICE = "appmesh"
ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
_HIDDEN = {"te": "trailers", "content-type": "application/grpc"}
_DIGEST = "x-amz-content-sha256"
Metadata = Iterable[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class Credentials:
    """`hosts`: what may be signed as `host`."""

    verifier: Verifier
    hosts: tuple[str, ...]
    clock: Callable[[], datetime]

    async def account(self, metadata: Metadata, method: str) -> str:
        """The account that signed a call of an ADS method; sigv4.Refused if none, Unavailable if nobody can say."""
        why: sigv4.Refused = sigv4.Mismatch()
        for claim, to_sign in signed(metadata, method, self.hosts, self.clock()):
            try:
                return await self.verifier.account(claim, to_sign)
            except sigv4.UnknownKey:
                raise
            except sigv4.Refused as other:
                why = other
        raise why


def signed(metadata: Metadata, method: str, hosts: Iterable[str], now: datetime) -> Iterator[tuple[Claim, str]]:
    """The claim and what it is to be a signature of, for each host that it may have been made for; raises Refused."""
    shown = [(name, value) for name, value in metadata if isinstance(value, str) and name != "host"]
    shown += _HIDDEN.items() - {(name, _HIDDEN[name]) for name, _ in shown if name in _HIDDEN}
    for host in hosts:
        headers: Headers = [*shown, ("host", host)]
        claim = sigv4.claim_of(headers, SERVICE, now)
        digest = next((value for name, value in headers if name == _DIGEST), sigv4.EMPTY_SHA256)
        yield claim, sigv4.string_to_sign(claim, Target("POST", ADS + method, "", digest), headers)
