"""unbindable: a listener that a host did not let its proxy bind: the fault of that host, and of no revision.

What binds a port of a service (`outbound/tcp`, `outbound/vip`, `dns`) binds it on the application's own host, where
something else may have it, or where ports below 1024 are not anybody's. Nobody who writes a definition can know that,
so it stops no rollout: the warden tells the agent, which logs it, and the proxy is counted as one that has what it can
have. Envoy's own words tell it from a listener that is wrong everywhere (measured on 1.40).
"""

from collections.abc import Iterable

from isthmus.xds import names
from isthmus.xds.snapshot import Ref, Type

_WORDS = ("cannot bind ", "failed to listen on ", "Address already in use", "Permission denied")


def is_unbindable(kind: str, name: str, message: str) -> bool:
    """Whether a refusal says that a host does not let the proxy have such a listener."""
    ports = names.connected_port(name), names.vip_port(name)
    ours = kind == Type.LISTENER and (name == names.DNS or ports != (None, None))
    return ours and any(words in message for words in _WORDS)


def of_these(ref: Ref, listeners: Iterable[str]) -> bool:
    """Whether a table or a filter is of one of these listeners."""
    if ref.type == Type.ROUTES:
        return ref.name in listeners
    return ref.type == Type.EXTENSION and any(_is_of(ref.name, listener) for listener in listeners)


def _is_of(extension: str, listener: str) -> bool:
    if not extension.startswith("tcp/"):
        return names.slot_listener(extension) == listener
    service, port = names.vip_port(listener) or ("", names.connected_port(listener))
    return extension == f"tcp/{service}/{port}" if service else extension.endswith(f"/{port}")
