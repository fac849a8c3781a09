"""withheld: a listener or backend whose managed secrets are not there yet is left out until they are.

Envoy waits 15 s for a secret that does not come, and a proxy that starts waits with everything it has (measured,
docs/decisions/013); after that the listener is bound and cuts every connection off. So a listener with none of its
certificates is not there at all: its port refuses, which a load balancer understands, and everything else serves. One
that has some shows those, under the names of the others too, so that it need not drain when these come. A backend
without its authorities is left out as well: to trust nobody in particular would be to trust everybody.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from isthmus.xds import names, secrets
from isthmus.xds.managed import secrets_of
from isthmus.xds.snapshot import Resource, Type, listener_of


class Ready(NamedTuple):
    """What of a view can be served now, the managed secrets that it asks for, and the names of what is withheld."""

    view: list[Resource]
    secrets: list[Resource]
    withheld: tuple[str, ...] = ()


def ready(view: Iterable[Resource], held: Sequence[Resource]) -> Ready:
    """A view with these secrets at hand."""
    listed, known = list(view), {secret.name: secret for secret in held}
    asking = {resource: wanted for resource in listed if (wanted := secrets_of(resource))}
    out = {resource.name for resource, wanted in asking.items() if not _enough(wanted, known)}
    kept = [r for r in listed if not _falls(r, out, asking)]
    named = {name: wanted for r in kept for wanted in [asking.get(r, frozenset())] for name in wanted}
    given = [_given(name, beside, known) for name, beside in sorted(named.items())]
    return Ready(kept, given, tuple(sorted(out)))


def _enough(wanted: Iterable[str], known: Mapping[str, Resource]) -> bool:
    """One certificate will do; authorities must be there, each of them."""
    shown = [name for name in wanted if name.startswith(f"{names.CERTIFICATE}/")]
    trusted = [name for name in wanted if name not in shown]
    return all(name in known for name in trusted) and (not shown or any(name in known for name in shown))


def _falls(resource: Resource, out: set[str], asking: Mapping[Resource, object]) -> bool:
    """Whether it is withheld, or belongs to a listener that is: nobody would ask for that."""
    if resource in asking:
        return resource.name in out
    return resource.type != Type.CLUSTER and listener_of(resource.ref) in out


def _given(name: str, beside: Iterable[str], known: Mapping[str, Resource]) -> Resource:
    if name in known:
        return known[name]
    return secrets.standing_in(known[min(other for other in beside if other in known)], name)
