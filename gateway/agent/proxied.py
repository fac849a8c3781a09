"""proxied: before which ports of which instances a proxy was seen to stand: once seen, for ever.

Discovery's "a proxy stands before it" may be wrong, so it is a hope until that proxy, over its warden's stream and
under its node's identity, has acked the listener of the port (design-notes 26). Until then the port is called as if
nothing stood there: in plaintext where its node allows it. From then on it is called in mutual TLS or not at all:
whoever can take a proxy away, or make discovery forget it, must not be able to make others speak plaintext. Only an
instance that discovery says is gone is forgotten.

A replica with siblings hears the wardens that chose it and no others, so for it discovery's word has to do: it rather
fails a call than speaks plaintext to what a sibling has seen (docs/decisions/014).
"""

from collections.abc import Collection, Mapping

from gateway.agent.acks import Ledger, Sighting
from gateway.agent.discovery import Found, Instance

Proxied = Mapping[str, Mapping[int, int]]
"""Instance → listener port → the inbound port that its proxy has acked last."""

Arriving = Mapping[str, frozenset[int]]
"""Instance → those of its ports before which a proxy was seen for the first time a moment ago."""


def seen(known: Proxied, proxies: Collection[str], sightings: Mapping[str, Sighting], ledger: Ledger) -> Proxied:
    """What is known, and what those of these proxies that are connected have acked besides; `known` if nothing."""
    acked = {name: dict(ledger[s.acked].ports) for name, s in sightings.items() if s.connected and s.acked in ledger}
    return also(known, {name: ports for name, ports in acked.items() if ports and name in proxies})


def also(known: Proxied, news: Proxied) -> Proxied:
    """Both; of a port that is in both what is new. `known` itself if nothing is."""
    changed = {name: {**known.get(name, {}), **ports} for name, ports in news.items()}
    changed = {name: ports for name, ports in changed.items() if ports != known.get(name)}
    return {**known, **changed} if changed else known


def arrived(known: Proxied, now: Proxied) -> Arriving:
    """What is in the second and was not in the first."""
    found = {name: frozenset(ports) - frozenset(known.get(name, ())) for name, ports in now.items()}
    return {name: ports for name, ports in found.items() if ports}


def remaining(known: Proxied, found: Found) -> Proxied:
    """Without the instances that are gone. Who has lost sight cannot say that anything is."""
    if found.stale:
        return known
    listed = {instance.name for instance in found.instances}
    return {name: ports for name, ports in known.items() if name in listed} if known.keys() - listed else known


def ports(instance: Instance, known: Proxied, *, siblings: bool) -> Mapping[int, int]:
    """Where others reach the proxy of an instance: listener port → inbound port."""
    held = known.get(instance.name, {})
    return {**held, **instance.ports} if siblings else held
