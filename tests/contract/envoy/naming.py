"""naming: a DNS server of the tests, which answers what it is told and keeps what it was asked."""

from collections.abc import Mapping

from dnslib import RCODE, RR, A, DNSRecord
from dnslib.server import BaseResolver, DNSLogger, DNSServer

ADDRESS = "127.88.0.1"


class Names(BaseResolver):  # type: ignore[misc]
    """`told`: IPv4 address by name; any other name does not exist. `asked`: the names, as they were spelled."""

    def __init__(self, told: Mapping[str, str]) -> None:
        self._told = told
        self.asked: set[str] = set()
        self._server = DNSServer(self, address=ADDRESS, port=0, logger=DNSLogger("-request,-reply"))
        self._server.start_thread()
        self.at: tuple[str, int] = self._server.server.server_address

    def resolve(self, request: DNSRecord, _handler: object) -> DNSRecord:
        """The answer to one question."""
        name, reply = str(request.q.qname).rstrip("."), request.reply()
        self.asked.add(name)
        if name not in self._told:
            reply.header.rcode = RCODE.NXDOMAIN
        elif request.q.qtype == 1:
            reply.add_answer(RR(name, rdata=A(self._told[name]), ttl=30))
        return reply

    def stop(self) -> None:
        """Leaves nothing running."""
        self._server.stop()
        self._server.server.server_close()
