"""static: views as one bootstrap that a validating Envoy reads, because validation asks nobody (envoy.md §17).

Routes stand in their listeners, so that the clusters they name are checked too. Every listener is there twice: with its
slots as they are discovered, and with what fills them in place. Several views share one bootstrap: their listeners move
to names and addresses of their own, and their clusters are one where they have one name and one content.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import extension_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.bootstrap.internal_listener.v3 import internal_listener_pb2  # noqa: F401 - the bootstrap packs it
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.resource_monitors.downstream_connections.v3 import downstream_connections_pb2  # noqa: F401
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2  # noqa: F401
from google.protobuf import json_format
from google.protobuf.any_pb2 import Any

from gateway.envoy.bootstrap import bootstrap
from isthmus.xds import names
from isthmus.xds.snapshot import Resource, Type

View = Sequence[Resource]


def batches(views: Iterable[View], most: int) -> Iterator[list[int]]:
    """Views (by position) that fit into one bootstrap: no cluster of one is another's under the same name."""
    open_batches: list[tuple[list[int], dict[str, bytes]]] = []
    for at, view in enumerate(views):
        clusters = {r.name: r.body for r in view if r.type == Type.CLUSTER}
        for members, known in open_batches:
            if len(members) < most and all(known.get(name, body) == body for name, body in clusters.items()):
                members.append(at)
                known.update(clusters)
                break
        else:
            open_batches.append(([at], clusters))
    yield from (members for members, _ in open_batches)


def static(views: Sequence[View], folder: Path, runtime: Mapping[str, object] | None) -> bootstrap_pb2.Bootstrap:
    """One bootstrap of all these views, which `batches` has found to fit. `runtime` replaces our own flags."""
    out = bootstrap_pb2.Bootstrap()
    json_format.ParseDict(dict(bootstrap("validated", folder / "xds.sock", "127.0.0.1:0", folder / "sds.sock")), out)
    out.dynamic_resources.ClearField("cds_config")
    out.dynamic_resources.ClearField("lds_config")
    if runtime is not None:
        layer = out.layered_runtime.layers[0]
        layer.static_layer.Clear()
        layer.static_layer.update(dict(runtime))
    clusters = {r.name: r.body for view in views for r in view if r.type == Type.CLUSTER}
    out.static_resources.clusters.extend(cluster_pb2.Cluster.FromString(body) for body in clusters.values())
    for at, view in enumerate(views):
        out.static_resources.listeners.extend(_listeners(view, at))
    return out


def _listeners(view: View, at: int) -> Iterator[listener_pb2.Listener]:
    routes = {r.name: r.body for r in view if r.type == Type.ROUTES}
    slots = {r.name: _filter(r.body) for r in view if r.type == Type.EXTENSION}
    bodies = [r.body for r in view if r.type == Type.LISTENER]
    for twin, filled in enumerate(({}, slots)):
        for number, body in enumerate(bodies, 1):
            yield _moved(_inlined(listener_pb2.Listener.FromString(body), routes, filled), at, twin, number)


def _filter(body: bytes) -> Any:
    config: Any = extension_pb2.TypedExtensionConfig.FromString(body).typed_config
    return config


def _moved(listener: listener_pb2.Listener, at: int, twin: int, number: int) -> listener_pb2.Listener:
    """The same listener elsewhere: no two may share a name or an address, and two of one view must not meet by that.

    Placeholders differ in their last number; services' own addresses may not, so of these the port is the number.
    """
    vip = names.vip_port(listener.name)
    if at or twin:
        listener.name = f"{listener.name}@{at}.{twin}"
    if listener.address.HasField("socket_address"):
        ends_in = listener.address.socket_address.address.rpartition(".")[2]
        place = 2 * at + twin
        last = ends_in if ends_in.isdigit() else "1"
        if vip is not None:
            last, listener.address.socket_address.port_value = "254", number
        listener.address.socket_address.address = f"127.{1 + place // 250}.{place % 250}.{last}"
    return listener


def _inlined(
    listener: listener_pb2.Listener, routes: Mapping[str, bytes], slots: Mapping[str, Any]
) -> listener_pb2.Listener:
    """Routes instead of their names and, where they are known, filters instead of their sources."""
    for chain in listener.filter_chains:
        for each in chain.filters:
            if each.typed_config.Is(hcm_pb2.HttpConnectionManager.DESCRIPTOR):
                manager = hcm_pb2.HttpConnectionManager.FromString(each.typed_config.value)
                _with_routes(manager, routes)
                for http in manager.http_filters:
                    _fill(http, slots)
                each.typed_config.value = manager.SerializeToString(deterministic=True)
            else:
                _fill(each, slots)
    return listener


def _with_routes(manager: hcm_pb2.HttpConnectionManager, routes: Mapping[str, bytes]) -> None:
    """A table that the view does not have is empty: a listener is also validated without its routes."""
    if not manager.HasField("rds"):
        return
    name = manager.rds.route_config_name
    table = route_pb2.RouteConfiguration.FromString(routes.get(name, b""))
    table.name = name
    table.validate_clusters.value = True
    manager.route_config.CopyFrom(table)


def _fill(slot: object, slots: Mapping[str, Any]) -> None:
    if slot.HasField("config_discovery") and slot.name in slots:  # type: ignore[attr-defined]
        slot.typed_config.CopyFrom(slots[slot.name])  # type: ignore[attr-defined]
