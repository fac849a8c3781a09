"""dns: a host name's addresses with the time for which they are good, which the system's own resolver does not tell.

Both families are asked at once, and the other one counts where the preferred one has no address. Where the preferred
one does not answer, too, as App Mesh's clients did (some servers never answer for AAAA), unless its addresses are what
is in use: a moment's silence is no reason to move.
"""

import asyncio
from collections.abc import Mapping, Sequence
from ipaddress import ip_address

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.rdatatype
import dns.resolver
from dns.rdatatype import RdataType

from gateway.agent.discovery.answers import EMPTY_AGAIN, LATEST, Answer
from gateway.agent.discovery.sources import family
from isthmus.errors import Invalid, Unavailable
from isthmus.hostport import parted
from isthmus.ir.found import Dns
from isthmus.xds.resolved import Address

TIMEOUT, LIFETIME = 2.0, 5.0
"""Seconds for one server to answer, and for all of them together."""

LONGEST_CHAIN = 8
"""Of aliases that a server gives one by one; what answers for others follows them itself."""

_TYPES: Mapping[int, RdataType] = {4: RdataType.A, 6: RdataType.AAAA}


class DnsSource:
    """`Source` by DNS. `server`: IP:PORT to ask instead of the system's own (`resolv.conf`, read each time).

    Invalid if that is no such address.
    """

    def __init__(self, server: str = "", lifetime: float = LIFETIME) -> None:
        self._server, self._lifetime = _server(server) if server else None, lifetime

    async def ask(self, question: Dns, kept: Sequence[Address]) -> Answer:
        """What DNS says. Unavailable if it does not answer."""
        try:
            return Answer((Address(str(ip_address(question.hostname))),), LATEST)
        except ValueError:
            asked = (self._family(question.hostname, version) for version in question.families)
            return preferred(dict(zip(question.families, await asyncio.gather(*asked), strict=True)), kept)

    async def _family(self, hostname: str, version: int) -> Answer | Unavailable:
        try:
            return await self._followed(dns.name.from_text(hostname), _TYPES[version])
        except dns.resolver.NXDOMAIN as nothing:
            responses = nothing.responses()  # type: ignore[no-untyped-call]
            shortest = min(map(_negative, responses.values()), default=EMPTY_AGAIN)
            return Answer((), shortest, f"{hostname} does not exist")
        except dns.resolver.LifetimeTimeout:
            return Unavailable(f"no answer for {hostname} within {self._lifetime:g} s")
        except (dns.exception.DNSException, OSError) as error:
            return Unavailable(f"no answer for {hostname}: {' '.join(str(error).split())}")

    async def _followed(self, name: dns.name.Name, kind: RdataType) -> Answer:
        """An answer and, where it is an alias alone, what that stands for. DNSException."""
        resolver, ttl, asked = self._resolver(), LATEST, name
        for _ in range(LONGEST_CHAIN):
            answer = await resolver.resolve(name, kind, search=False, raise_on_no_answer=False, lifetime=self._lifetime)
            ttl = min(ttl, answer.chaining_result.minimum_ttl)
            if answer.rrset is not None:
                return Answer(tuple(Address(record.address) for record in answer.rrset), ttl)
            if answer.canonical_name == name:
                return Answer((), min(ttl, _negative(answer.response)), f"{asked.to_text(True)} has no address")  # noqa: FBT003 - without its last dot
            name = answer.canonical_name
        raise dns.resolver.NoAnswer  # an alias of itself, or nearly so

    def _resolver(self) -> dns.asyncresolver.Resolver:
        resolver = dns.asyncresolver.Resolver(configure=self._server is None)
        if self._server is not None:
            resolver.nameservers, resolver.port = [self._server[0]], self._server[1]
        resolver.timeout = min(TIMEOUT, self._lifetime)
        return resolver


def _server(text: str) -> tuple[str, int]:
    try:
        host, port = parted(text)
        return str(ip_address(host)), port
    except ValueError:
        raise Invalid.one("", "not_an_address", f"the DNS server {text!r} is not IP:PORT") from None


def preferred(said: Mapping[int, Answer | Unavailable], kept: Sequence[Address]) -> Answer:
    """Of what each family said, in order of preference, what counts. Unavailable if that is nothing."""
    silent: Unavailable | None = None
    for version, answer in said.items():
        if isinstance(answer, Answer):
            if answer.addresses:
                return answer
        elif any(family(address.ip) == version for address in kept):
            raise answer
        else:
            silent = silent or answer
    if silent is not None:
        raise silent
    empty = [answer for answer in said.values() if isinstance(answer, Answer)]
    return Answer((), min(answer.ttl for answer in empty), empty[0].why)


def _negative(response: dns.message.Message) -> float:
    """For how long "there are none" is good (RFC 2308 §5)."""
    said = [min(rrset.ttl, rrset[0].minimum) for rrset in response.authority if rrset.rdtype == RdataType.SOA]
    return min(said, default=EMPTY_AGAIN)
