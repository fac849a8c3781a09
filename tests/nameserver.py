"""nameserver: a DNS server of the tests' own, on loopback by UDP and TCP, that answers as it is told and may change.

A name that it was told nothing of does not exist. It notes what it was asked, and how often at one time.
"""

import socket
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from dnslib import AAAA, CNAME, QTYPE, RCODE, RR, SOA, A, DNSError, DNSRecord
from dnslib.server import DNSHandler, DNSLogger, DNSServer

Asked = tuple[str, str]
"""(name, type)."""

LONGEST_UDP = 512
"""Without EDNS (RFC 1035 §2.3.4)."""


@dataclass(frozen=True)
class Says:
    """What a name says. `rcode`: instead; `silent`: nothing at all; `alias`: of; `own`: with what that says."""

    a: tuple[str, ...] = ()
    aaaa: tuple[str, ...] = ()
    ttl: int = 1
    rcode: str = "NOERROR"
    silent: frozenset[str] = frozenset()
    alias: str = ""
    own: bool = True
    negative: int = 1


GONE = Says(rcode="NXDOMAIN")
FAILS = Says(rcode="SERVFAIL")
SILENT = Says(silent=frozenset({"A", "AAAA"}))


@dataclass
class NameServer:
    """`says` may change at any time. `most`: questions at one time. Answers wait until `held` is set."""

    says: dict[str, Says] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    by_tcp: int = 0
    most: Counter[Asked] = field(default_factory=Counter)
    port: int = 0
    _now: Counter[Asked] = field(default_factory=Counter)
    _lock: Any = field(default_factory=threading.Lock)
    held: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        """IP:PORT."""
        return f"127.0.0.1:{self.port}"

    def count(self, name: str, kind: str = "A") -> int:
        """How often it was asked."""
        return self.asked.count((name, kind))

    def resolve(self, request: DNSRecord, handler: DNSHandler) -> DNSRecord:
        """The library's interface."""
        name, kind = str(request.q.qname).removesuffix("."), QTYPE[request.q.qtype]
        with self._lock:
            self.asked.append((name, kind))
            self.by_tcp += handler.protocol == "tcp"
            self._now[name, kind] += 1
            self.most[name, kind] = max(self.most[name, kind], self._now[name, kind])
        try:
            self.held.wait(10)
            reply = self._answer(request, name, kind)
            if handler.protocol == "udp" and len(reply.pack()) > LONGEST_UDP:
                reply = request.reply()
                reply.header.tc = 1
            return reply
        finally:
            with self._lock:
                self._now[name, kind] -= 1

    def _answer(self, request: DNSRecord, name: str, kind: str) -> DNSRecord:
        said = self.says.get(name, GONE)
        if kind in said.silent:
            raise DNSError("told to be silent")
        reply = request.reply()
        reply.header.rcode = getattr(RCODE, said.rcode)
        while said.alias:
            reply.add_answer(RR(name, QTYPE.CNAME, rdata=CNAME(said.alias), ttl=said.ttl))
            if not said.own:
                return reply
            name, said = said.alias, self.says.get(said.alias, GONE)
        records = [A(each) for each in said.a] if kind == "A" else [AAAA(each) for each in said.aaaa]
        for record in records:
            reply.add_answer(RR(name, request.q.qtype, rdata=record, ttl=said.ttl))
        if not records:
            times = (1, 2, 3, 4, said.negative)
            reply.add_auth(RR("example", QTYPE.SOA, rdata=SOA("ns.example", "who.example", times), ttl=600))
        return reply


@contextmanager
def serving(says: Mapping[str, Says]) -> Iterator[NameServer]:
    """While the block lasts, on a port that is free for both."""
    made = NameServer(dict(says))
    made.held.set()
    tcp, udp = _both(made)
    threads = [threading.Thread(target=s.server.serve_forever, args=(0.01,), daemon=True) for s in (tcp, udp)]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        made.held.set()
        for server, thread in zip((tcp, udp), threads, strict=True):
            server.stop()
            server.server.server_close()
            thread.join()


def _both(made: NameServer) -> tuple[DNSServer, DNSServer]:
    quiet = DNSLogger("-request,-reply,-truncated,-error")
    while True:
        tcp = DNSServer(made, "127.0.0.1", 0, tcp=True, logger=quiet)
        made.port = tcp.server.server_address[1]
        try:
            return tcp, DNSServer(made, "127.0.0.1", made.port, logger=quiet)
        except OSError:  # somebody has that port by UDP
            tcp.server.server_close()


def unanswered() -> tuple[socket.socket, str]:
    """A port that takes questions and never says a word: a server that is away behind a firewall."""
    hole = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    hole.bind(("127.0.0.1", 0))
    return hole, f"127.0.0.1:{hole.getsockname()[1]}"


def but(says: Says, **changed: Any) -> Says:  # noqa: ANN401 - Says' fields
    """The same, but for these."""
    return replace(says, **changed)
