"""fillings: something of each type that a slot may hold, which lets requests pass, for any policy that will come.

Services that they ask are ours (`xds`), which do not know them: each is told to let requests pass then.
`wasm` is left out: it would need a module.
"""

import pkgutil
from base64 import b64encode
from functools import cache
from importlib import import_module
from typing import Any

from envoy.config.core.v3 import extension_pb2
from google.protobuf import descriptor_pb2, json_format

from isthmus.xds.snapshot import Resource, Type

Json = Any

_ASKED: Json = {"envoy_grpc": {"cluster_name": "xds"}, "timeout": "0.2s"}
_GZIP = "type.googleapis.com/envoy.extensions.compression.gzip"
_NOBODY: Json = {"bucket_id_builder": {"bucket_id_builder": {"a": {"string_value": "b"}}}, "reporting_interval": "60s"}
_QUOTA = "type.googleapis.com/envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaBucketSettings"
_EMPTY = descriptor_pb2.FileDescriptorSet(file=[descriptor_pb2.FileDescriptorProto(name="a.proto")])
_KEYS = '{"keys": [{"kty": "oct", "alg": "HS256", "k": "YQ"}]}'
_NO_SERVICE = b64encode(_EMPTY.SerializeToString()).decode()

HTTP: dict[str, Json] = {
    "rbac.v3.RBAC": {"rules": {"action": "DENY", "policies": {}}},
    "jwt_authn.v3.JwtAuthentication": {"providers": {"a": {"issuer": "a", "local_jwks": {"inline_string": _KEYS}}}},
    "ext_authz.v3.ExtAuthz": {"grpc_service": _ASKED, "transport_api_version": "V3", "failure_mode_allow": True},
    "local_ratelimit.v3.LocalRateLimit": {"stat_prefix": "a"},
    "ratelimit.v3.RateLimit": {
        "domain": "a",
        "rate_limit_service": {"grpc_service": _ASKED, "transport_api_version": "V3"},
    },
    "rate_limit_quota.v3.RateLimitQuotaFilterConfig": {
        "domain": "a",
        "rlqs_server": _ASKED,
        "bucket_matchers": {
            "on_no_match": {"action": {"name": "a", "typed_config": {"@type": _QUOTA} | _NOBODY}},
        },
    },
    "cors.v3.Cors": {},
    "buffer.v3.Buffer": {"max_request_bytes": 1000000},
    "grpc_json_transcoder.v3.GrpcJsonTranscoder": {"proto_descriptor_bin": _NO_SERVICE, "services": []},
    "compressor.v3.Compressor": {
        "compressor_library": {"name": "a", "typed_config": {"@type": f"{_GZIP}.compressor.v3.Gzip"}}
    },
    "decompressor.v3.Decompressor": {
        "decompressor_library": {"name": "a", "typed_config": {"@type": f"{_GZIP}.decompressor.v3.Gzip"}}
    },
    "fault.v3.HTTPFault": {},
    "header_mutation.v3.HeaderMutation": {"mutations": {"request_mutations": [{"remove": "x-a"}]}},
    "header_to_metadata.v3.Config": {
        "request_rules": [{"header": "x-a", "on_header_present": {"metadata_namespace": "a", "key": "b"}}]
    },
    "lua.v3.Lua": {"default_source_code": {"inline_string": "function envoy_on_request(handle) end"}},
    "ext_proc.v3.ExternalProcessor": {"grpc_service": _ASKED, "failure_mode_allow": True},
}
TCP: dict[str, Json] = {
    "rbac.v3.RBAC": {"rules": {"action": "DENY", "policies": {}}, "stat_prefix": "a"},
    "local_ratelimit.v3.LocalRateLimit": {
        "stat_prefix": "a",
        "token_bucket": {"max_tokens": 1000, "fill_interval": "1s"},
    },
    "ratelimit.v3.RateLimit": {
        "stat_prefix": "a",
        "domain": "a",
        "descriptors": [{"entries": [{"key": "a", "value": "b"}]}],
        "rate_limit_service": {"grpc_service": _ASKED, "transport_api_version": "V3"},
    },
}
WITHOUT = {"wasm.v3.Wasm"}


def filling(slot: str, url: str, **said: Json) -> Resource:
    """What fills a slot of this name, of a type that it may hold; `said` instead of what lets requests pass."""
    _, _, layer, name = url.removeprefix("type.googleapis.com/envoy.").split(".", 3)
    said = said or (HTTP if layer == "http" else TCP)[name]
    _known(f"envoy.extensions.filters.{layer}.{name.rpartition('.')[0]}")
    message = extension_pb2.TypedExtensionConfig()
    json_format.ParseDict({"name": slot, "typed_config": {"@type": url} | said}, message)
    return Resource(Type.EXTENSION, slot, message.SerializeToString(deterministic=True))


@cache
def _known(package: str) -> None:
    """Let protobuf know the types of a package by their names."""
    for module in pkgutil.iter_modules(import_module(package).__path__, f"{package}."):
        import_module(module.name)


_known("envoy.extensions.compression.gzip.compressor.v3")
_known("envoy.extensions.compression.gzip.decompressor.v3")
