"""sources: whoever can be asked for a node's addresses. A further way to find them is one file with such a class."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Protocol, TypeVar

from gateway.agent.discovery.answers import Answer
from isthmus.ir.found import Discovery
from isthmus.xds.resolved import Address

Asked = TypeVar("Asked", bound=Discovery, contravariant=True)


class Source(Protocol[Asked]):
    """A way to ask."""

    async def ask(self, question: Asked, kept: Sequence[Address]) -> Answer:
        """What it says now; `kept` is what it said before. Unavailable if it says nothing."""
        ...


def family(ip: str) -> int:
    """4 or 6; 0 of what is no address, because Envoy would refuse it and with it all other endpoints of a backend."""
    try:
        return ip_address(ip).version
    except ValueError:
        return 0
