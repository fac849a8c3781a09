"""subscription: what one Envoy asks for, holds and has refused of one type of resource, on one stream.

The rules are Envoy's, measured on 1.40 (envoy.md §3–§6): a name that is subscribed again must be answered again; what
was refused is not sent again as it was; a refusal rejects a *response*, of which clusters and listeners are applied in
part without being recorded, so its content is sent again apart until the culprit stands alone. Knows no transport.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from isthmus.xds.snapshot import Type
from isthmus.xds.unbindable import is_unbindable

FEW = 8
"""Up to so many changes of a type that Envoy refuses without a name go one a response, so a refusal has a name."""

WILDCARDS = frozenset({Type.CLUSTER, Type.LISTENER})
_NAMELESS = frozenset({Type.ROUTES, Type.ENDPOINTS, Type.SECRET, Type.EXTENSION})
_ANSWERED = frozenset({Type.CLUSTER, Type.ENDPOINTS})
"""Of these an unknown name is denied at once, lest a cluster warms for 15 s. Of the others it waits: a listener denied
its routes is never bound, a cluster denied its secret goes live without one (envoy.md §5, traps 3 and 4)."""

_ALL = "*"
_GONE, _UNSURE = "", "?"
"""In place of a version: Envoy has been told that there is no such thing; nobody knows which version it has, if any."""


class Wanted(NamedTuple):
    """A resource as it should be: the version is its content's, the body is without the Any around it."""

    version: str
    body: bytes


class Refused(NamedTuple):
    """A version that Envoy would not have, and why, in its own words."""

    version: str
    message: str


Changes = Sequence[tuple[str, str]]
"""Names with the versions sent."""


@dataclass(slots=True)
class Subscription:
    """One type on one stream. `known`: Envoy has asked for it. `wild`: it wants all there are, besides `names`.

    `sent` is what Envoy was told last, `acked` what it has accepted last; it runs the latter where they differ.
    """

    kind: Type
    known: bool = False
    wild: bool = False
    unanswered: bool = False
    names: set[str] = field(default_factory=set)
    sent: dict[str, str] = field(default_factory=dict)
    acked: dict[str, str] = field(default_factory=dict)
    refused: dict[str, Refused] = field(default_factory=dict)
    _owed: set[str] = field(default_factory=set)
    _unsure: set[str] = field(default_factory=set)
    _apart: list[Sequence[str]] = field(default_factory=list)

    def ask(self, subscribe: Sequence[str], unsubscribe: Sequence[str], held: Mapping[str, str]) -> None:
        """Take in a request. `held` (`initial_resource_versions`) counts on the first one: what Envoy came with."""
        first, self.known = not self.known, True
        if first:
            self.sent = {name: version for name, version in held.items() if name not in self._owed}
            self.sent |= dict.fromkeys(self._unsure, _UNSURE)
            self.acked = dict(held)
            self.wild = self.kind in WILDCARDS and not subscribe
            self.unanswered = self.wild
        for name in subscribe:
            self._subscribe(name, answered=first and name in held)
        for name in unsubscribe:
            self._unsubscribe(name)

    def _subscribe(self, name: str, *, answered: bool) -> None:
        if name == _ALL:
            self.wild = self.unanswered = True
            return
        self.names.add(name)
        if not answered:
            self.sent.pop(name, None)

    def _unsubscribe(self, name: str) -> None:
        if name == _ALL:
            self.wild = False
            for other in self.sent.keys() - self.names:
                self._forget(other)
            return
        self.names.discard(name)
        if not self.wild:
            self._forget(name)

    def _forget(self, name: str) -> None:
        self._unsure.discard(name)
        for held in (self.sent, self.acked, self.refused):
            held.pop(name, None)

    def owe(self, names: Iterable[str]) -> None:
        """These must be sent again whatever Envoy has, also if it has not asked on this stream yet."""
        for name in names:
            self.sent.pop(name, None)
            if not self.known:
                self._owed.add(name)

    def doubt(self, names: Iterable[str]) -> None:
        """Before the first request: Envoy may run other versions of these than it says, or not say that it has any."""
        self._unsure.update(names)

    def doubtful(self, in_flight: Iterable[Changes]) -> set[str]:
        """What the next stream should `doubt` if this one ends now: refused together with others, or about to be."""
        return self._unsure.union(*({n for n, _ in changes} for changes in in_flight if len(changes) > 1))

    def covered(self, wanted: Mapping[str, Wanted]) -> AbstractSet[str]:
        """The names among these that Envoy has asked for."""
        return wanted.keys() if self.wild else wanted.keys() & self.names

    def has(self, name: str, version: str) -> bool:
        """Whether Envoy runs this version, for certain."""
        return self.acked.get(name) == self.sent.get(name) == version

    def changed(self, wanted: Mapping[str, Wanted]) -> list[str]:
        """What Envoy should be sent, sorted: subscribed, different from what it was sent, and not refused as it is."""
        names = self.covered(wanted)
        return sorted(n for n in names if self.sent.get(n) != wanted[n].version and not self.stands(n, wanted))

    def unknown(self, wanted: Mapping[str, Wanted]) -> list[str]:
        """Names asked for that do not exist and of which Envoy may be told so."""
        if self.kind not in _ANSWERED:
            return []
        return sorted(n for n in self.names if n not in wanted and n not in self.sent)

    def gone(self, wanted: Mapping[str, Wanted]) -> list[str]:
        """What Envoy holds of a wildcard type and should hold no longer."""
        if self.kind not in WILDCARDS:
            return []
        return sorted(n for n, version in self.sent.items() if n not in wanted and version != _GONE)

    def stands(self, name: str, wanted: Mapping[str, Wanted]) -> bool:
        """Whether Envoy has refused this very version."""
        refusal = self.refused.get(name)
        return refusal is not None and name in wanted and refusal.version == wanted[name].version

    @property
    def unbindable(self) -> set[str]:
        """What Envoy refused because its host does not let it bind there."""
        return {name for name, refusal in self.refused.items() if is_unbindable(self.kind, name, refusal.message)}

    def prune(self, wanted: Mapping[str, Wanted]) -> None:
        """Forget refusals of what is no longer wanted."""
        self.refused = {n: r for n, r in self.refused.items() if self.stands(n, wanted)}

    def batches(self, names: Sequence[str]) -> list[Sequence[str]]:
        """The same names, one batch a response: what was refused together goes apart, few nameless ones alone."""
        left = set(names)
        out: list[Sequence[str]] = []
        for group in self._apart:
            part = [n for n in group if n in left]
            left.difference_update(part)
            out += [part] if part else []
        self._apart.clear()
        rest = sorted(left)
        alone = self.kind in _NAMELESS and len(rest) <= FEW
        return out + ([[n] for n in rest] if alone else [rest] if rest else [])

    def postpone(self, batches: Iterable[Sequence[str]]) -> None:
        """These batches go later, each by itself."""
        self._apart += batches

    def offered(self, changes: Changes) -> None:
        """These go out now."""
        self.sent.update(changes)
        self.unanswered = False

    def withdrawn(self, names: Iterable[str]) -> None:
        """Envoy is told now that there are none of these."""
        for name in names:
            if name in self.names:
                self.sent[name] = _GONE
            else:
                self.sent.pop(name, None)

    def accepted(self, changes: Changes, removed: Iterable[str]) -> None:
        """Envoy has accepted a response. What a removal freed (an address, say) may be what a refused one lacked."""
        for name, version in changes:
            self._unsure.discard(name)
            if self.wild or name in self.names:
                self.acked[name] = version
                self.refused.pop(name, None)
        for name in removed:
            self._unsure.discard(name)
            if self.acked.pop(name, None) is not None:
                self.refused.clear()

    def rejected(self, changes: Changes, message: str) -> None:
        """Envoy has refused a response. One resource: the culprit. Several: nobody knows what became of each."""
        ours = [(n, v) for n, v in changes if self.sent.get(n) == v]  # the others have been replaced meanwhile
        if len(changes) > 1:
            self._unsure.update(n for n, _ in ours)
            self._apart += split([n for n, _ in ours], message)
        else:
            self.refused.update((n, Refused(v, message)) for n, v in ours)
        for name, _ in ours:
            self.sent[name] = _UNSURE if name in self._unsure else self.acked.get(name, _UNSURE)


def split(names: Sequence[str], message: str) -> list[Sequence[str]]:
    """How to send again what was refused together: what the message names alone, else halves, until one is left."""
    suspects = [n for n in names if n in message]
    rest = [n for n in names if n not in message]
    if suspects and rest:
        return [rest, *([n] for n in suspects)]
    if len(names) <= FEW:
        return [[n] for n in names]
    middle = len(names) // 2
    return [names[:middle], names[middle:]]
