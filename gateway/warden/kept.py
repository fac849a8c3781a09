"""kept: the last known good of this host's proxies: what a restarted Envoy is served with everything else away.

The states are one file and every body another, named by its version: bodies are written before the states that refer
to them, and swept out between streams, so whatever interrupts us, what the states name is there.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from gateway.edge import disk
from gateway.proto import host_pb2 as host
from isthmus.errors import Invalid
from isthmus.xds.snapshot import Resource, Type

_STATES = "states"


class Kept:
    """The states of a host and the bodies they name. Bodies are kept in memory, too: there are few and all are used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.bodies: dict[str, Resource] = {}
        self.states: Mapping[str, host.ProxyState] = {}
        self._load()

    def take(self, said: host.ProxyStates) -> None:
        """Keep new states; Invalid, and nothing has changed, if a body is not what its version says or is missing."""
        _plain([state.proxy for state in said.proxies])
        fresh = dict(_verified(said))
        named = {ref.version for state in said.proxies for ref in state.refs}
        missing = named - fresh.keys() - self.bodies.keys()
        if missing:
            raise Invalid.one("/bodies", "missing_body", f"{len(missing)} resources came without their bodies")
        for version, resource in fresh.items():
            disk.write(self._body(version), f"{resource.type}\n{resource.name}\n".encode() + resource.body)
        disk.write(self._folder / _STATES, host.ProxyStates(proxies=said.proxies).SerializeToString())
        self.bodies |= fresh
        self.states = {state.proxy: state for state in said.proxies}

    @property
    def unused(self) -> frozenset[str]:
        """Versions that no state names any more. The agent of the stream still counts on our having them."""
        return frozenset(self.bodies.keys() - {ref.version for s in self.states.values() for ref in s.refs})

    def sweep(self) -> None:
        """Forget what is unused: between two streams, when no agent counts on it."""
        for version in self.unused:
            del self.bodies[version]
            disk.remove(self._body(version))

    def _load(self) -> None:
        said = host.ProxyStates.FromString(disk.read(self._folder / _STATES) or b"")
        for version in {ref.version for state in said.proxies for ref in state.refs}:
            text = disk.read(self._body(version))
            if text is not None:
                kind, name, body = text.split(b"\n", 2)
                self.bodies[version] = Resource(Type(kind.decode()), name.decode(), body)
        whole = [s for s in said.proxies if all(ref.version in self.bodies for ref in s.refs)]
        self.states = {state.proxy: state for state in whole}

    def _body(self, version: str) -> Path:
        return self._folder / "bodies" / version


def _plain(proxies: Iterable[str]) -> None:
    """Invalid if a proxy's name is no file name: sockets and keys are kept under it."""
    for name in proxies:
        if name in {"", ".", ".."} or "/" in name or "\0" in name:
            raise Invalid.one("/proxies", "not_a_name", f"{name!r} is not a proxy's name")


def _verified(said: host.ProxyStates) -> list[tuple[str, Resource]]:
    """The bodies that came, each checked against its version; Invalid naming those that were altered."""
    out = []
    for body in said.bodies:
        resource = Resource(Type(body.type), body.name, body.body)
        if resource.ref.version != body.version or not body.version.isalnum():
            raise Invalid.one("/bodies", "altered_body", f"{body.type} {body.name} is not what its version says")
        out.append((body.version, resource))
    return out
