"""bootstraps: real Envoys told what App Mesh's image tells its own (appmesh.md §4.2), as far as stock Envoy can be.

Stock Envoy has no `aws_iam` call credentials. So the signature stands in the stream's initial metadata (good for five
minutes), or Envoy's own request-signing filter makes it on the way to a cluster.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.contract.agent.imaging import KEY, SECRET, Metadata

RUNTIME = {
    "re2.max_program_size.error_level": 1000,
    "envoy.features.enable_all_deprecated_features": True,
    "envoy.reloadable_features.no_extension_lookup_by_name": True,
}
"""What the image sets."""

_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_SIGNING = "envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning"
_CODEC = "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"
_TLS = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"


def of_image(name: str, endpoint: str, root: Path, metadata: Metadata, admin: Path) -> Mapping[str, Any]:
    """`google_grpc` with the customer's root, as the image has it."""
    service = {
        "google_grpc": {
            "target_uri": endpoint,
            "stat_prefix": "ads",
            "channel_credentials": {"ssl_credentials": {"root_certs": {"filename": str(root)}}},
            "channel_args": {
                "args": {
                    "grpc.keepalive_time_ms": {"int_value": 10_000},
                    "grpc.keepalive_timeout_ms": {"int_value": 20_000},
                    "grpc.keepalive_permit_without_calls": {"int_value": 1},
                    "grpc.http2.max_pings_without_data": {"int_value": 0},
                    "grpc.max_connection_age_ms": {"int_value": 2_400_000},
                }
            },
        },
        "initial_metadata": [{"key": key, "value": value} for key, value in metadata],
    }
    return _bootstrap(name, service, admin)


def signing(
    name: str, endpoint: str, root: Path, admin: Path, key: str = KEY, secret: str = SECRET
) -> Mapping[str, Any]:
    """A stock Envoy whose own filter signs the stream, as AWS documents it for gRPC: without the payload."""
    host, _, port = endpoint.rpartition(":")
    credentials = {"access_key_id": key, "secret_access_key": str(secret)}
    signer = _typed(_SIGNING) | {
        "service_name": "appmesh",
        "region": "us-east-1",
        "use_unsigned_payload": True,
        "credential_provider": {"inline_credential": credentials, "custom_credential_provider_chain": True},
    }
    filters = [
        {"name": "envoy.filters.http.aws_request_signing", "typed_config": signer},
        {"name": "envoy.filters.http.upstream_codec", "typed_config": _typed(_CODEC)},
    ]
    options = _typed(_HTTP) | {"explicit_http_config": {"http2_protocol_options": {}}, "http_filters": filters}
    tls = _typed(_TLS) | {"common_tls_context": {"validation_context": {"trusted_ca": {"filename": str(root)}}}}
    address = {"socket_address": {"address": host, "port_value": int(port)}}
    cluster = {
        "name": "xds",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "xds",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
        "typed_extension_protocol_options": {_HTTP: options},
    }
    service = {"envoy_grpc": {"cluster_name": "xds", "authority": endpoint}}
    return _bootstrap(name, service, admin) | {"static_resources": {"clusters": [cluster]}}


def _bootstrap(name: str, service: Mapping[str, Any], admin: Path) -> dict[str, Any]:
    source = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
    ads = {
        "api_type": "GRPC",
        "transport_api_version": "V3",
        "set_node_on_first_message_only": True,
        "grpc_services": [service],
    }
    return {
        "node": {"id": name, "cluster": name, "metadata": {"aws.appmesh.platformInfo": {}}},
        "admin": {"address": {"pipe": {"path": str(admin)}}},
        "dynamic_resources": {"ads_config": ads, "cds_config": source, "lds_config": source},
        "layered_runtime": {"layers": [{"name": "static_layer_0", "static_layer": RUNTIME}]},
    }


def _typed(message: str) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/{message}"}
