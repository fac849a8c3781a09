"""withheld: a listener or backend whose managed secrets are not there yet is left out until they are.

Envoy waits 15 s for a secret that does not come, and a proxy that starts waits with everything it has (measured,
docs/decisions/013); after that the listener is bound and cuts every connection off. So a listener has no chain whose
certificates are all missing, and one without any chain left is not there at all: its port refuses, which a load
balancer understands. What needs none of them goes on: the mesh's own TLS of the same port above all. A chain that has
some shows those, under the names of the others too, so that it need not drain when these come. A backend without its
authorities is left out as well: to trust nobody in particular would be to trust everybody. One that needs them only
towards instances without a proxy goes on to the others.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from google.protobuf.message import Message

from isthmus.xds import names, secrets
from isthmus.xds.managed import named_in, secrets_of
from isthmus.xds.snapshot import Resource, Type, listener_of


class Ready(NamedTuple):
    """What of a view can be served now, the managed secrets that it asks for, and the names of what is withheld."""

    view: list[Resource]
    secrets: list[Resource]
    withheld: tuple[str, ...] = ()


def ready(view: Iterable[Resource], held: Sequence[Resource], *, whole: bool = False) -> Ready:
    """A view with these secrets at hand.

    `whole`: a listener or backend is there as it is, or not at all: for App Mesh's image, which has not the mesh's own
    TLS to go on with, and would take what is left for plaintext.
    """
    listed, known = list(view), {secret.name: secret for secret in held}
    lacking = [r for r in listed if not all(name in known for name in secrets_of(r))]
    lessened = {r.ref: _lessened(r, known, whole=whole) for r in lacking}
    out = {ref.name for ref, left in lessened.items() if left is None}
    kept = [lessened.get(r.ref) or r for r in listed if not _falls(r, out)]
    asked = [group for r in kept for group in _groups(r)]
    given = {name: _given(name, group, known) for group in asked for name in sorted(group)}
    waiting = sorted(ref.name for ref, left in lessened.items() if left is None or left.ref != ref)
    return Ready(kept, [given[name] for name in sorted(given)], tuple(waiting))


@lru_cache(maxsize=4096)
def _groups(resource: Resource) -> tuple[frozenset[str], ...]:
    """The secrets of each chain of a listener, or each way of a backend to its instances."""
    if not secrets_of(resource):
        return ()
    if resource.type == Type.LISTENER:
        return tuple(map(named_in, listener_pb2.Listener.FromString(resource.body).filter_chains))
    said = cluster_pb2.Cluster.FromString(resource.body)
    return named_in(said.transport_socket), *map(named_in, said.transport_socket_matches)


def _lessened(resource: Resource, known: Mapping[str, Resource], *, whole: bool) -> Resource | None:
    """What of it needs nothing that is missing; None if that is nothing."""
    enough = [_enough(group, known) for group in _groups(resource)]
    if all(enough):
        return resource
    if whole:
        return None
    if resource.type == Type.LISTENER:
        listener = listener_pb2.Listener.FromString(resource.body)
        chains = [chain for chain, good in zip(listener.filter_chains, enough, strict=True) if good]
        del listener.filter_chains[:]
        listener.filter_chains.extend(chains)
        return _as(resource, listener) if chains else None
    backend = cluster_pb2.Cluster.FromString(resource.body)
    ways = [way for way, good in zip(backend.transport_socket_matches, enough[1:], strict=True) if good]
    del backend.transport_socket_matches[:]
    backend.transport_socket_matches.extend(ways)
    own = enough[0] and backend.HasField(
        "transport_socket"
    )  # which is what instances without a way get: never plaintext
    return _as(resource, backend) if own else None


def _as(resource: Resource, message: Message) -> Resource:
    return Resource(resource.type, resource.name, message.SerializeToString(deterministic=True))


def _enough(wanted: Iterable[str], known: Mapping[str, Resource]) -> bool:
    """One certificate will do; authorities must be there, each of them."""
    shown = [name for name in wanted if name.startswith(f"{names.CERTIFICATE}/")]
    trusted = [name for name in wanted if name not in shown]
    return all(name in known for name in trusted) and (not shown or any(name in known for name in shown))


def _falls(resource: Resource, out: set[str]) -> bool:
    """Whether it is withheld, or belongs to a listener that is: nobody would ask for that."""
    if resource.type in (Type.LISTENER, Type.CLUSTER):
        return resource.name in out and bool(secrets_of(resource))
    return listener_of(resource.ref) in out


def _given(name: str, beside: Iterable[str], known: Mapping[str, Resource]) -> Resource:
    if name in known:
        return known[name]
    return secrets.standing_in(known[min(other for other in beside if other in known)], name)
