"""situations: what a whole mesh can be like that no single field says, and whether a drawn mesh is like it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

from isthmus.ir.services import askable
from isthmus.model.definition import Definition
from isthmus.model.document import Document

Json = Any


def _of(definition: Definition, kind: str) -> list[Document]:
    return [document for key, document in definition.documents.items() if key.kind == kind]


def _weights(definition: Definition) -> Iterator[list[int]]:
    for route in _of(definition, "Route"):
        yield [target.weight for _, target in route.spec.targets]  # type: ignore[attr-defined]


def _ports(definition: Definition, kind: str) -> Iterator[int]:
    """How many ports each thing of a kind has."""
    for document in _of(definition, kind):
        yield len(document.spec.ports)  # type: ignore[attr-defined]


def _priorities(definition: Definition, kind: str) -> Iterator[list[int | None]]:
    """The priorities of all routes of one parent."""
    listed = _of(definition, kind)
    for parent in {document.key.parent for document in listed}:
        yield [document.spec.priority for document in listed if document.key.parent == parent]  # type: ignore[attr-defined]


def _repeated(values: list[int | None]) -> bool:
    return any(number > 1 for value, number in Counter(values).items() if value is not None)


def _services(definition: Definition) -> list[str]:
    return [document.key.name for document in _of(definition, "VirtualService")]


def _backends(definition: Definition) -> Iterator[str]:
    for node in _of(definition, "VirtualNode"):
        for backend in node.spec.backends or ():  # type: ignore[attr-defined]
            yield backend.virtual_service.virtual_service_name


def _events(definition: Definition) -> set[str]:
    """Words of retries that are no enum in the model."""
    policies = [route.spec.route for route in _of(definition, "Route")]  # type: ignore[attr-defined]
    retries = [policy for route in policies if (policy := getattr(route, "retry_policy", None)) is not None]
    return set(chain.from_iterable(policy.http_retry_events or () for policy in retries))


def _shown(definition: Definition, kind: str) -> Iterator[Any]:
    """The TLS of every listener of a kind that has any."""
    for document in _of(definition, kind):
        listed = document.spec.listeners or ()  # type: ignore[attr-defined]
        yield from (each.tls for each in listed if each.tls is not None)


def _mutual(definition: Definition) -> bool:
    return any(t.validation is not None and t.mode != "DISABLED" for t in _shown(definition, "VirtualNode"))


def _policies(definition: Definition) -> Iterator[Any]:
    """TLS of every client policy of a node."""
    for node in _of(definition, "VirtualNode"):
        defaults = node.spec.backend_defaults  # type: ignore[attr-defined]
        backends = [b.virtual_service for b in node.spec.backends or ()]  # type: ignore[attr-defined]
        said = [defaults.client_policy if defaults else None, *(b.client_policy for b in backends)]
        yield from (each.tls for each in said if each is not None and each.tls is not None)


SITUATIONS: Mapping[str, Callable[[Definition], bool]] = {
    "all weights of a route are 0": lambda d: any(sum(weights) == 0 for weights in _weights(d)),
    "some weights of a route are 0": lambda d: any(0 in weights and sum(weights) for weights in _weights(d)),
    "a route has ten targets": lambda d: any(len(weights) == 10 for weights in _weights(d)),
    "a node's clients must show a certificate": _mutual,
    "a certificate of a node is in files": lambda d: any(t.certificate.file for t in _shown(d, "VirtualNode")),
    "a certificate of a node is managed": lambda d: any(t.certificate.acm for t in _shown(d, "VirtualNode")),
    "a gateway shows a certificate": lambda d: any(t.mode != "DISABLED" for t in _shown(d, "VirtualGateway")),
    "a policy is enforced": lambda d: any(t.enforce is not False for t in _policies(d)),
    "a policy shows a certificate": lambda d: any(t.certificate for t in _policies(d)),
    "a policy trusts managed authorities": lambda d: any(t.validation.trust.acm for t in _policies(d)),
    "a node listens nowhere": lambda d: 0 in _ports(d, "VirtualNode"),
    "a node has several listeners": lambda d: any(n > 1 for n in _ports(d, "VirtualNode")),
    "a router has no listener": lambda d: 0 in _ports(d, "VirtualRouter"),
    "a router has several listeners": lambda d: any(n > 1 for n in _ports(d, "VirtualRouter")),
    "a gateway has no listener": lambda d: 0 in _ports(d, "VirtualGateway"),
    "a gateway has several listeners": lambda d: any(n > 1 for n in _ports(d, "VirtualGateway")),
    "routes of equal priority": lambda d: any(map(_repeated, _priorities(d, "Route"))),
    "routes with and without priority": lambda d: any(None in p and any(p) for p in _priorities(d, "Route")),
    "gateway routes of equal priority": lambda d: any(map(_repeated, _priorities(d, "GatewayRoute"))),
    "gateway routes with and without priority": lambda d: any(
        None in p and any(p) for p in _priorities(d, "GatewayRoute")
    ),
    "a service without provider": lambda d: any(s.spec.provider is None for s in _of(d, "VirtualService")),  # type: ignore[attr-defined]
    "services that differ in case": lambda d: len({s.lower() for s in _services(d)}) < len(_services(d)),
    "a service that no request can name": lambda d: not all(map(askable, _services(d))),
    "a backend that is not there yet": lambda d: "later.local" in _backends(d),
    "a backend by its ARN": lambda d: any(b.startswith("arn:") for b in _backends(d)),
    "a placement apart": lambda d: len({d.documents[k].spec for k in d.documents if k.kind == "Placement"}) > 1,
    "a node apart from its mesh": lambda d: any(
        t.spec.mode != (d.settings.transport or "permissive")  # type: ignore[attr-defined]
        for t in _of(d, "Transport")
    ),
    "one cluster only": lambda d: len(_of(d, "Attachment")) == 1,
    "a retry of server-error": lambda d: "server-error" in _events(d),
    "a retry of gateway-error": lambda d: "gateway-error" in _events(d),
    "a retry of client-error": lambda d: "client-error" in _events(d),
    "a retry of stream-error": lambda d: "stream-error" in _events(d),
}


def met(definition: Definition) -> frozenset[str]:
    """The situations that a definition is in."""
    return frozenset(name for name, holds in SITUATIONS.items() if holds(definition))
