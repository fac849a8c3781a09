"""without_proxy: how whoever has a backend calls those of its endpoints that have no proxy before them.

Read from what it is told, because that is what it does. A backend may be several clusters of one caller: a service with
a client policy of its own has one (`names.backend`), and so has gRPC's own client for these endpoints alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from envoy.config.cluster.v3 import cluster_pb2

from isthmus.xds import app_mesh_tls, names, tls
from isthmus.xds.snapshot import Resource, Type


class Way(StrEnum):
    """The transport; App Mesh's own TLS is no plaintext, and no more than that permitted where a node is strict."""

    PLAINTEXT = "plaintext"
    APP_MESH_TLS = "app-mesh-tls"


def ways(told: Iterable[Resource], *, image: bool) -> Mapping[str, Way]:
    """By backend; plaintext where it is called both ways. `image`: by one of App Mesh's, which has no other way."""
    found = list((_of_image if image else _of_own)(r for r in told if r.type == Type.CLUSTER))
    out = dict(found)
    return out | {name: way for name, way in found if way is Way.PLAINTEXT}


def _of_own(clusters: Iterable[Resource]) -> Iterator[tuple[str, Way]]:
    for each in clusters:
        apart = names.of_plaintext(each.name)
        if apart is not None:
            yield names.any_service(apart), Way.PLAINTEXT
        elif tls.may_be_plaintext(each):
            yield names.any_service(each.name), Way.PLAINTEXT
        elif app_mesh_tls.may_be_without_proxy(each):
            yield names.any_service(each.name), Way.APP_MESH_TLS


def _of_image(clusters: Iterable[Resource]) -> Iterator[tuple[str, Way]]:
    for each in clusters:
        secured = cluster_pb2.Cluster.FromString(each.body).HasField("transport_socket")
        yield names.any_service(each.name), Way.APP_MESH_TLS if secured else Way.PLAINTEXT
