"""ListenerCertificates: the further managed certificates of one listener, chosen by the name that a client asks for.

App Mesh's listener has one certificate; a virtual gateway that serves several domains needs one for each. The TLS
settings stay App Mesh's, and the listener's own certificate is what a client gets whose name none of these has.
Like a binding it outlives what it names (see `topology`).
"""

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import ConfigDict, Field

from isthmus.errors import Violation
from isthmus.model.key import Key
from isthmus.model.kind import Reference, ResourceKind
from isthmus.model.structure import Items, Many, Maybe, Name, Port, Structure

Arn = Annotated[str, Field(min_length=20, max_length=2048, pattern="^arn:")]

MOST = 50
"""Certificates of one listener: Envoy looks each up by name, but holds all of them in every worker."""


class ListenerCertificatesSpec(Structure):
    """Which listener, by its node or gateway and its port; and the ARNs of its further certificates."""

    model_config = ConfigDict(alias_generator=None)

    node: Maybe[Name] = None
    gateway: Maybe[Name] = None
    port: Port
    certificates: Annotated[Many[Arn], Items(1, MOST)]

    def violations(self) -> Iterator[Violation]:
        if (self.node is None) == (self.gateway is None):
            yield Violation("", "exactly_one_member", "must have exactly one of node or gateway")
        for i, arn in enumerate(self.certificates):
            if arn in self.certificates[:i]:
                yield Violation(f"/certificates/{i}", "duplicate", f"{arn} is in the list already")

    @property
    def of(self) -> Key:
        """Whose listener it is."""
        return Key("VirtualNode", self.node) if self.node is not None else Key("VirtualGateway", self.gateway or "")


def _named(_key: Key, spec: ListenerCertificatesSpec) -> Iterator[Reference]:
    yield ("/spec/node" if spec.node is not None else "/spec/gateway"), spec.of


def _one_list(listed: Iterable[tuple[Key, ListenerCertificatesSpec]]) -> Iterator[tuple[Key, Violation]]:
    """A listener has one list, so that what it shows can be read in one place."""
    first: dict[tuple[Key, int], Key] = {}
    for key, spec in listed:
        other = first.setdefault((spec.of, spec.port), key)
        if other != key:
            yield key, Violation("/spec/port", "duplicate", f"{other.name} lists the certificates of this listener")


KIND = ResourceKind(
    "ListenerCertificates",
    ListenerCertificatesSpec,
    "listener-certificates",
    references=_named,
    among=_one_list,
    lasting=True,
)
