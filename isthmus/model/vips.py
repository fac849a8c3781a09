"""vips: addresses of a mesh's own for its virtual services: from which range, and which one for which name.

An address is found from the name, so a service that comes back has its old one unless another took it, and a file that
is compiled offline says what an installation would. The default range is half of what Linux calls loopback: whoever has
a network stack of his own (a pod, a task, a machine) may bind all of it without privileges, and it is routed nowhere.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from uuid import UUID

from pydantic_core import PydanticCustomError

from isthmus.errors import Conflict

DEFAULT = IPv4Network("127.128.0.0/10")
"""4 million, of which a mesh may use 10,000 (isthmus.store.quotas); it ends before 127.255.255.255, a broadcast."""

LARGEST, SMALLEST = 8, 30
"""Prefix lengths that a range may have: two addresses are the fewest."""

_RESERVED = tuple(map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/9", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32")))
"""Nobody's, those of applications and proxies themselves, link-local (clouds' metadata), multicast, broadcast."""

_ULA = 0xFD
"""Unique local IPv6 addresses begin so (RFC 4193 §3.2)."""


class VipsExhausted(Conflict):
    """Every address of the mesh's range is a service's, or was within the last day."""

    code = "vips_exhausted"

    def __init__(self, within: IPv4Network) -> None:
        detail = "delete services, or set a larger range (`vips` in the mesh's settings)"
        super().__init__(f"no address of {within} is free for another virtual service: {detail}")


def is_range(text: str) -> str:
    """A setting's text as it is, if it is a range that VIPs can be taken from."""
    try:
        network = IPv4Network(text)
    except ValueError:
        raise _not("network", "must be an IPv4 network such as 240.0.0.0/8") from None
    if not LARGEST <= network.prefixlen <= SMALLEST:
        raise _not("network", f"must have a prefix of /{LARGEST} to /{SMALLEST}")
    for reserved in _RESERVED:
        if network.overlaps(reserved):
            raise _not("free", f"overlaps {reserved}, which has another use")
    return text


def _not(what: str, why: str) -> PydanticCustomError:
    return PydanticCustomError(f"range_not_{what}", "{why}", {"why": why})


def assigned(names: Iterable[str], within: IPv4Network, taken: Collection[IPv4Address] = ()) -> dict[str, IPv4Address]:
    """An address for each name that nobody has; VipsExhausted if there are not so many."""
    used = {int(address) for address in taken if address in within}
    out = {}
    for name in sorted(names):
        at = _free(name, within, used)
        used.add(at)
        out[name] = IPv4Address(at)
    return out


def beside(mesh: UUID, vip: str) -> str:
    """The IPv6 address beside a VIP: a prefix that is the mesh's own, and the VIP at its end."""
    return str(IPv6Address(_prefix(mesh) + int(IPv4Address(vip)).to_bytes(8)))


def offline(names: Iterable[str], within: str | None) -> Mapping[str, str]:
    """Addresses for a definition that no installation has seen."""
    return {name: str(vip) for name, vip in assigned(names, network(within)).items()}


def network(said: str | None) -> IPv4Network:
    """A mesh's range, as its settings say or not."""
    return DEFAULT if said is None else IPv4Network(said)


def _free(name: str, within: IPv4Network, used: Collection[int]) -> int:
    """The first free one after where the name leads; the ends of a range are not given away."""
    first, size = int(within.network_address) + 1, within.num_addresses - 2
    if len(used) >= size:
        raise VipsExhausted(within)
    start = _number(name) % size
    return next(at for step in range(size) if (at := first + (start + step) % size) not in used)


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])


@lru_cache(maxsize=1024)
def _prefix(mesh: UUID) -> bytes:
    """64 bits: `fd`, and 56 of the mesh's id (a /64 of the mesh's own /48 and subnet)."""
    return bytes([_ULA]) + hashlib.sha256(mesh.bytes).digest()[:7]
