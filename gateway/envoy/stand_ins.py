"""stand_ins: what a validation replaces, because it is there where the proxies run and not here.

An access log's file is opened while Envoy validates, and the machine that validates has neither the directory nor the
right to write it; certificates and roots it seldom has. One entry a type of message. Each replacement is noted, so that
the verdict says what it does not cover.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import cast

from envoy.extensions.access_loggers.file.v3 import file_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2
from google.protobuf.any_pb2 import Any
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway.envoy.throwaway import inlined

Replace = Callable[[Any, Path], str]
"""Changes the message in an `Any` so that it needs nothing but a folder of ours; what was replaced, or empty."""

ALWAYS_THERE = ("/dev/stdout", "/dev/stderr", "/dev/null")


def _log(packed: Any, folder: Path) -> str:
    message = file_pb2.FileAccessLog.FromString(packed.value)
    path = message.path
    if path in ALWAYS_THERE:
        return ""
    message.path = str(folder / "access.log")
    packed.value = message.SerializeToString(deterministic=True)
    return f"access log {path}: a temporary file"


def _certificates(context: Message) -> frozenset[str]:
    assert isinstance(context, tls_pb2.CommonTlsContext), "by its name"
    return frozenset(inlined(context))


IN_PLACE: Mapping[str, Callable[[Message], frozenset[str]]] = {
    tls_pb2.CommonTlsContext.DESCRIPTOR.full_name: _certificates
}
"""By the full name of a message that is not packed: changes it; what was replaced."""

STAND_INS: Mapping[str, Replace] = {"envoy.extensions.access_loggers.file.v3.FileAccessLog": _log}
"""By the full name of the message."""

_HOLDERS: Mapping[str, type[Message]] = {
    message.DESCRIPTOR.full_name: message
    for message in (
        hcm_pb2.HttpConnectionManager,
        tcp_proxy_pb2.TcpProxy,
        tls_pb2.DownstreamTlsContext,
        tls_pb2.UpstreamTlsContext,
    )
}
"""Messages that may hold such ones and are themselves packed."""


def replace(message: Message, folder: Path) -> frozenset[str]:
    """Replace in place whatever needs it, at any depth; what was replaced, a sentence each."""
    change = IN_PLACE.get(message.DESCRIPTOR.full_name)
    found = set(change(message) if change else ())
    for field, value in message.ListFields():
        for each in _messages(field, value):
            found |= _in(each, folder) if isinstance(each, Any) else replace(each, folder)
    return frozenset(found)


def _messages(field: FieldDescriptor, value: Iterable[object]) -> list[Message]:
    """The messages that a field holds, be it one, a list or a map of them."""
    if field.message_type is None:
        return []
    if not field.is_repeated:
        return [cast("Message", value)]
    held = cast("Mapping[object, object]", value).values() if field.message_type.GetOptions().map_entry else value
    return [each for each in held if isinstance(each, Message)]


def _in(packed: Any, folder: Path) -> frozenset[str]:
    name = packed.type_url.rpartition("/")[2]
    if name in STAND_INS:
        said = STAND_INS[name](packed, folder)
        return frozenset({said} if said else ())
    holder = _HOLDERS.get(name)
    if holder is None:
        return frozenset()
    inside = holder.FromString(packed.value)
    found = replace(inside, folder)
    if found or name.endswith("TlsContext"):
        packed.value = inside.SerializeToString(deterministic=True)
    return found
