"""warden: everything of one host in one place: states, leaves, proxies and their sockets.

Changed only in the event loop's thread, so there are no locks. Of each proxy the agent is told its newest report, and
nothing older.
"""

import asyncio
import logging
import time
from datetime import UTC, datetime
from pathlib import Path

from gateway.edge.lines import line
from gateway.proto import host_pb2 as host
from gateway.warden import proxyless
from gateway.warden.kept import Kept
from gateway.warden.leaves import Leaves
from gateway.warden.proxy import Proxy
from gateway.warden.proxyless import Proxyless
from gateway.warden.serving import Socket
from isthmus.errors import IsthmusError
from isthmus.xds import names
from isthmus.xds.read_back import pair, roots
from isthmus.xds.snapshot import Resource

LOG = logging.getLogger("isthmus.warden")
SOCKET = "xds.sock"


def clock() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


class Warden:
    """One host's proxies. `data` keeps the last known good and the keys; `sockets` has a folder for each proxy."""

    def __init__(self, data: Path, sockets: Path) -> None:
        self._sockets = sockets
        self.kept, self.leaves = Kept(data / "kept"), Leaves(data / "leaves")
        self.proxies: dict[str, Proxy] = {}
        self._open: dict[str, Socket] = {}
        self._said: dict[str, host.ProxyReport] = {}
        self.changed = asyncio.Event()

    async def begin(self) -> None:
        """Serve what was kept: nothing of ours need be there for that."""
        await self._apply()

    async def take(self, said: host.ProxyStates) -> None:
        """New states of an agent. Invalid, and the old ones stay, if they are not whole."""
        self.kept.take(said)
        await self._apply()

    async def accept(self, leaf: host.Leaf) -> None:
        """A leaf, or why there is none."""
        try:
            self.leaves.accept(leaf)
        except IsthmusError as refused:
            LOG.warning(line("leaf_refused", proxy=leaf.proxy, why=refused))
            return
        LOG.info(line("leaf", proxy=leaf.proxy))
        if leaf.proxy in self.proxies:
            self._give(leaf.proxy)

    def requests(self) -> list[host.LeafRequest]:
        """Leaves to ask for now."""
        now = clock()
        wanted = [(name, s.identity) for name, s in self.kept.states.items() if s.identity]
        return [r for name, identity in wanted if (r := self.leaves.request(name, identity, now))]

    def reports(self, *, everything: bool = False) -> list[host.ProxyReport]:
        """What is new to say of the proxies, or all of it."""
        out = []
        for name, proxy in self.proxies.items():
            expires = self.leaves.expires(name)
            report = proxy.report(expires.timestamp() if expires else 0.0)
            if everything or self._said.get(name) != report:
                self._said[name] = report
                out.append(report)
        return out

    async def end(self) -> None:
        """Close every socket."""
        await asyncio.gather(*(socket.close() for socket in self._open.values()))

    def heard(self, proxy: Proxy) -> None:
        """Envoy has said something."""
        proxy.look(time.time())
        self.changed.set()

    async def _apply(self) -> None:
        """Open and close sockets as the states say, and give every proxy its own."""
        for name in self._open.keys() - self.kept.states.keys():
            LOG.info(line("proxy_gone", proxy=name))
            await self._open.pop(name).close()
            del self.proxies[name]
            self._said.pop(name, None)
            proxyless.remove(self._sockets / name)
        for name in self.kept.states:
            await self._fit(name)
            self._give(name)
            if name not in self._open:
                self._open[name] = Socket(self._sockets / name / SOCKET, self.proxies[name], self.heard)
                await self._open[name].open()
        self.changed.set()

    async def _fit(self, name: str) -> None:
        """A proxy of the sort that its state says; one of another sort has had another's socket."""
        sort = Proxyless if self.kept.states[name].role == proxyless.ROLE else Proxy
        if type(self.proxies.get(name)) is sort:
            return
        if name in self._open:
            await self._open.pop(name).close()
        proxyless.remove(self._sockets / name)
        self.proxies[name] = sort(self._sockets / name)

    def _give(self, name: str) -> None:
        state, proxy = self.kept.states[name], self.proxies[name]
        identity = self.leaves.secret(name, state.identity, clock()) if state.identity else None
        if isinstance(proxy, Proxyless) and identity is not None:
            self._write(proxy, state, identity)
        proxy.give(state, self.kept.bodies, identity)
        self.heard(proxy)

    def _write(self, proxy: Proxyless, state: host.ProxyState, identity: Resource) -> None:
        """What its application starts from, once its bundle is here too."""
        bundle = next((self.kept.bodies[ref.version] for ref in state.refs if ref.name == names.BUNDLE), None)
        if bundle is None or proxy.written == (identity.ref.version, bundle.ref.version):
            return
        folder, domain = self._sockets / state.proxy, state.identity.removeprefix("spiffe://").partition("/")[0]
        proxyless.write(folder, folder / SOCKET, state.proxy, pair(identity), roots(bundle), domain)
        proxy.written = identity.ref.version, bundle.ref.version
