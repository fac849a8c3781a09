"""decoded: resources as JSON in proto's own field names, as they are told to people and written to files."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import extension_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from google.protobuf import json_format

import isthmus.xds.translate  # noqa: F401 - what it packs into an `Any` can only be read where the type is known
from isthmus.xds import origins
from isthmus.xds.snapshot import Manifest, Parts, Resource, Type

MESSAGES: Mapping[str, Any] = {
    Type.CLUSTER: cluster_pb2.Cluster,
    Type.ENDPOINTS: endpoint_pb2.ClusterLoadAssignment,
    Type.LISTENER: listener_pb2.Listener,
    Type.ROUTES: route_pb2.RouteConfiguration,
    Type.EXTENSION: extension_pb2.TypedExtensionConfig,
    Type.SECRET: secret_pb2.Secret,
}


def decoded(resource: Resource) -> Any:  # noqa: ANN401 - JSON
    """Envoy's resources as proto-JSON, the agent's as they are."""
    message = MESSAGES.get(resource.type)
    if message is None:
        return json.loads(resource.body)
    return json_format.MessageToDict(message.FromString(resource.body), preserving_proto_field_name=True)


def told(
    manifest: Manifest, view: str, bodies: Mapping[str, Resource], known: origins.Known
) -> Iterator[dict[str, Any]]:
    """Every resource of a view with its half, what made it, and its content; serving first, sorted by type and name."""
    parts = manifest.views.get(view, Parts())
    for half, refs in zip(Parts._fields, parts, strict=True):
        for ref in refs:
            yield {
                "type": ref.type,
                "name": ref.name,
                "version": ref.version,
                "half": half,
                "origin": origins.told(origins.of_resource(ref.type, ref.name, view, known)),
                "resource": decoded(bodies[ref.version]),
            }


def counted(manifest: Manifest, view: str) -> dict[str, Any]:
    """One view in short: its version, and how many resources it has by half and by type."""
    parts, refs = manifest.views[view], manifest.refs(view)
    types = sorted({ref.type for ref in refs})
    return {
        "view": view,
        "version": manifest.view_version(view),
        "serving": len(parts.serving),
        "calling": len(parts.calling),
        "resources": {kind: sum(ref.type == kind for ref in refs) for kind in types},
    }
