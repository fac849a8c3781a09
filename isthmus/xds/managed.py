"""managed: which managed certificates and authorities a resource names, read off the resource itself.

A snapshot holds names only, never a key; who delivers keys must know who needs which. Reading it off what is really
sent cannot disagree with it, in whatever phase of a rollout, and needs no list of its own.
"""

from collections.abc import Iterator
from functools import lru_cache

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_pb2
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from isthmus.xds import names
from isthmus.xds.snapshot import Resource, Type

_MARKS = (f"{names.CERTIFICATE}/".encode(), f"{names.AUTHORITY}/".encode())
_READ: dict[str, type[Message]] = {Type.LISTENER: listener_pb2.Listener, Type.CLUSTER: cluster_pb2.Cluster}
_CONTEXTS: tuple[type[Message], ...] = (tls_pb2.DownstreamTlsContext, tls_pb2.UpstreamTlsContext)
_SDS = secret_pb2.SdsSecretConfig.DESCRIPTOR.full_name


def secrets_of(resource: Resource) -> frozenset[str]:
    """The managed secrets that a listener or a backend asks for, by name; of other resources none."""
    if resource.type not in _READ or not any(mark in resource.body for mark in _MARKS):
        return frozenset()
    return _named(resource.type, resource.body)


def arns_of(resource: Resource) -> frozenset[str]:
    """The ARNs in the names of those secrets."""
    told = map(names.managed, secrets_of(resource))
    return frozenset(arn for each in told if each is not None for arn in each[1])


@lru_cache(maxsize=4096)
def _named(kind: Type, body: bytes) -> frozenset[str]:
    return named_in(_READ[kind].FromString(body))


def named_in(message: Message) -> frozenset[str]:
    """The same of a message."""
    return frozenset(name for name in _references(message) if names.managed(name) is not None)


def _references(message: Message) -> Iterator[str]:
    """The names in every reference to a secret, within packed TLS contexts too."""
    if message.DESCRIPTOR.full_name == _SDS:
        yield message.name  # type: ignore[attr-defined]  # it is an SdsSecretConfig
        return
    if isinstance(message, Any):
        for context in _CONTEXTS:
            if message.type_url.endswith(f"/{context.DESCRIPTOR.full_name}"):
                yield from _references(context.FromString(message.value))
        return
    for field, value in message.ListFields():
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for each in value if field.is_repeated else (value,):
                yield from _references(each)
