"""proxy: one Envoy of this host: what it is to have, the streams it opened, and how far it has come.

An Envoy that restarts hot has two streams for a while; the newest counts. What a proxy cannot have whole (no identity
yet, no trust bundle) it is not given at all: without its secrets a listener would warm for 15 s (envoy.md §5, trap 4).
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.proto import host_pb2 as host
from isthmus.xds import proxyless_session
from isthmus.xds.ads import Session
from isthmus.xds.snapshot import Ref, Resource, Type
from isthmus.xds.subscription import Wanted

SEEN = "proxy.json"
Spoken = Session | proxyless_session.Session


@dataclass(eq=False)
class Stream:
    """One open ADS stream: its session, and what wakes its writer."""

    session: Spoken
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Proxy:
    """One proxy. `state` is what the agent wants of it, `wanted` the resources by (type, name), None if not whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.state = host.ProxyState()
        self.wanted: Mapping[tuple[Type, str], Wanted] | None = None
        self.acked, self.acked_at = "", 0.0
        self._streams: list[Stream] = []
        self._doubts: Iterable[tuple[Type, str]] = ()

    def give(self, state: host.ProxyState, bodies: Mapping[str, Resource], identity: Resource | None) -> None:
        """What it is to have from now on; its streams are told."""
        self.state = state
        whole = identity is not None or not state.identity
        wanted = {(Type(r.type), r.name): Wanted(r.version, bodies[r.version].body) for r in state.refs}
        if identity is not None:
            wanted[Type.SECRET, identity.name] = Wanted(identity.ref.version, identity.body)
        self.wanted = wanted if whole else None
        for stream in self._streams:
            self._update(stream)

    def open(self) -> Stream:
        """A stream of this proxy's Envoy."""
        return self._opened(Session([self.state.minor], self._doubts))

    def _opened(self, session: Spoken) -> Stream:
        stream = Stream(session)
        self._streams.append(stream)
        self._update(stream)
        return stream

    def close(self, stream: Stream) -> None:
        """The stream has ended."""
        self._doubts = stream.session.doubts
        self._streams.remove(stream)

    def _update(self, stream: Stream) -> None:
        if self.wanted is not None:
            stream.session.update(self.wanted)
            stream.wake.set()

    @property
    def _counted(self) -> Sequence[Spoken]:
        """The streams that count: the newest on which Envoy has said who it is."""
        return self._known[-1:]

    @property
    def _known(self) -> Sequence[Spoken]:
        """The streams on which somebody has said who it is, the newest last."""
        return [s.session for s in self._streams if s.session.envoy]

    def look(self, now: float) -> None:
        """Notice whether the newest definition is proven."""
        counted = self._counted
        if not counted or self.wanted is None or self.acked == self.state.definition:
            return
        expected = [Ref(r.type, r.name, r.version) for r in self.state.refs if r.proven]
        if all(session.proven(expected) for session in counted):
            self.acked, self.acked_at = self.state.definition, now

    def report(self, expires: float) -> host.ProxyReport:
        """What the agent is to know of it."""
        counted, seen = self._counted, self._seen()
        out = host.ProxyReport(
            proxy=self.state.proxy,
            connected=bool(counted),
            envoy=counted[-1].envoy if counted else "",
            acked=self.acked if counted else "",
            acked_at=self.acked_at if counted else 0.0,
            admin=str(seen.get("admin", "")),
            identity_expires=expires,
        )
        pid = seen.get("pid", 0)
        out.pid = pid if isinstance(pid, int) else 0
        for nack in dict.fromkeys(nack for session in counted for nack in session.nacks):
            out.nacks.add(type=nack.type, name=nack.name, version=nack.version, message=nack.message)
        return out

    def forget(self) -> None:
        """Its Envoy has gone: what the next one has acknowledged is not known yet."""
        if not self._streams:
            self.acked, self.acked_at = "", 0.0

    def _seen(self) -> Mapping[str, object]:
        try:
            said: dict[str, object] = json.loads((self._folder / SEEN).read_text())
        except (OSError, ValueError):
            return {}
        return said
