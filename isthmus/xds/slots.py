"""slots: the closed, ordered filter slots of every chain (contracts.md), and what fills them before any policy.

A policy that came as a filter would change the listener and drain every connection, so the places exist from the first
release and are filled over ECDS. For the same reason the types that a slot may ever hold are fixed here: they are part
of the listener's bytes. RBAC is among them everywhere, because an RBAC filter without rules lets everything pass and
one that denies is the safe default. Where a security slot's resource is missing everything is denied, where another's
is, nothing.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from envoy.config.core.v3 import config_source_pb2, extension_pb2
from envoy.config.listener.v3 import listener_components_pb2
from envoy.config.rbac.v3 import rbac_pb2 as rules_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as http_rbac_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.filters.network.rbac.v3 import rbac_pb2 as tcp_rbac_pb2
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from isthmus.xds import names
from isthmus.xds.snapshot import Resource, Type
from isthmus.xds.sources import ADS, packed

_PREFIX = "type.googleapis.com/envoy.extensions.filters."


class Layer(StrEnum):
    """Which kind of chain a slot is in."""

    HTTP = "http"
    TCP = "tcp"


class Slot(NamedTuple):
    """A place in a chain: `types` (below `envoy.extensions.filters.`) it may hold; `guards`: missing, it denies."""

    layer: Layer
    name: str
    types: tuple[str, ...]
    guards: bool = False


def _http(name: str, *types: str, guards: bool = False) -> Slot:
    listed = (*(f"http.{t}" for t in types), "http.rbac.v3.RBAC")
    return Slot(Layer.HTTP, name, listed, guards)


_EXTENSIONS = ("wasm.v3.Wasm", "lua.v3.Lua", "ext_proc.v3.ExternalProcessor")

HTTP = (
    _http("fence", guards=True),
    _http("jwt", "jwt_authn.v3.JwtAuthentication", guards=True),
    _http("ext-authz", "ext_authz.v3.ExtAuthz", guards=True),
    _http("access", guards=True),
    _http("rate-limit-local", "local_ratelimit.v3.LocalRateLimit"),
    _http("rate-limit-global", "ratelimit.v3.RateLimit", "rate_limit_quota.v3.RateLimitQuotaFilterConfig"),
    _http("cors", "cors.v3.Cors"),
    _http("body", "buffer.v3.Buffer", "grpc_json_transcoder.v3.GrpcJsonTranscoder"),
    _http("compression", "compressor.v3.Compressor", "decompressor.v3.Decompressor"),
    _http("fault", "fault.v3.HTTPFault"),
    _http("header", "header_mutation.v3.HeaderMutation", "header_to_metadata.v3.Config"),
    _http("extension-1", *_EXTENSIONS),
    _http("extension-2", *_EXTENSIONS),
)

TCP = (
    Slot(Layer.TCP, "fence", ("network.rbac.v3.RBAC",), guards=True),
    Slot(Layer.TCP, "access", ("network.rbac.v3.RBAC",), guards=True),
    Slot(
        Layer.TCP,
        "rate-limit",
        ("network.local_ratelimit.v3.LocalRateLimit", "network.ratelimit.v3.RateLimit", "network.rbac.v3.RBAC"),
    ),
)


def _deny_all() -> rules_pb2.RBAC:
    policy = rules_pb2.Policy()
    policy.permissions.add(any=True)
    policy.principals.add(any=True)
    return rules_pb2.RBAC(action=rules_pb2.RBAC.DENY, policies={"all": policy})


_INERT: dict[Layer, Message] = {
    Layer.HTTP: http_rbac_pb2.RBAC(),
    Layer.TCP: tcp_rbac_pb2.RBAC(stat_prefix="slot"),
}
_DENYING: dict[Layer, Message] = {
    Layer.HTTP: http_rbac_pb2.RBAC(rules=_deny_all()),
    Layer.TCP: tcp_rbac_pb2.RBAC(rules=_deny_all(), stat_prefix="slot"),
}


def http_filters(listener: str, *fixed: hcm_pb2.HttpFilter) -> Iterator[hcm_pb2.HttpFilter]:
    """The HTTP slots of a listener in order, then what is fixed, then the router."""
    for slot in HTTP:
        yield hcm_pb2.HttpFilter(name=names.slot(listener, slot.layer, slot.name), config_discovery=_discovered(slot))
    yield from fixed
    yield hcm_pb2.HttpFilter(name="envoy.filters.http.router", typed_config=packed(router_pb2.Router()))


def tcp_filters(listener: str) -> Iterator[listener_components_pb2.Filter]:
    """The TCP slots of a listener in order; the terminal filter follows."""
    for slot in TCP:
        name = names.slot(listener, slot.layer, slot.name)
        yield listener_components_pb2.Filter(name=name, config_discovery=_discovered(slot))


def inert(listener: str, layer: Layer) -> tuple[Resource, ...]:
    """The resource of each slot of a listener as long as no policy fills it."""
    config = packed(_INERT[layer])
    return tuple(_filled(names.slot(listener, layer, s.name), config) for s in (HTTP if layer is Layer.HTTP else TCP))


def _filled(name: str, config: Any) -> Resource:
    message = extension_pb2.TypedExtensionConfig(name=name, typed_config=config)
    return Resource(Type.EXTENSION, name, message.SerializeToString(deterministic=True))


def _discovered(slot: Slot) -> config_source_pb2.ExtensionConfigSource:
    default = _DENYING if slot.guards else _INERT
    return config_source_pb2.ExtensionConfigSource(
        config_source=ADS, default_config=packed(default[slot.layer]), type_urls=[_PREFIX + t for t in slot.types]
    )
