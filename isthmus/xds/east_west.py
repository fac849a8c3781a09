"""east_west: how a cluster lets the others in: TLS passed through by SNI, to exported slots and nowhere else.

The client picks a backend of the gateway by name, so the names it can pick are fenced: by the mesh's SNI pattern *and*
by ALPN, and the gateway has backends only for exported slots with a proxy before them (Istio's CVE-2021-31921). It
holds no key: the server's sidecar authenticates. One chain per mesh, so that a mesh comes and goes without touching
another.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import base_pb2, socket_option_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.filters.network.sni_cluster.v3 import sni_cluster_pb2
from google.protobuf.wrappers_pb2 import UInt32Value

from isthmus.values import ALPN_GRPC, ALPN_H1, ALPN_H2, ALPN_TCP, ANY
from isthmus.wire import VERSIONS, Sni, Version, accepted, wildcards
from isthmus.xds import names, slots
from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import HEALTH, Here, LocalInstance, reached, slots_of
from isthmus.xds.listeners import PLACEHOLDER, inspected, piped
from isthmus.xds.snapshot import Resource, Type
from isthmus.xds.sources import lasting, packed

CONNECT_TIMEOUT = 1000
PORT = 15443

KEEPALIVE = ((1, 9, 1), (6, 4, 30), (6, 5, 10), (6, 6, 3))
"""Linux's SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT, which accepted sockets have of the listening one.

The numbers, because a compile must not depend on where it runs. A client that is gone is noticed after a minute.
"""


def listener(label: str, suffix: str, versions: Sequence[Version] = VERSIONS) -> Resource:
    """One mesh's share of the gateway's listener: a chain of its own, for names in the versions that are accepted.

    How long a connection may be idle is for its two ends to say; one whose end is gone is found by keepalive. gRPC
    without a proxy cannot offer an ALPN of ours; the backends are the same for it: ports with a proxy before them.
    """
    name = names.east_west_chain(label)
    match = listener_components_pb2.FilterChainMatch(
        transport_protocol="tls",
        server_names=wildcards(label, suffix, versions),
        application_protocols=[ALPN_H2, ALPN_H1, ALPN_TCP, ALPN_GRPC],
    )
    by_sni = listener_components_pb2.Filter(
        name="envoy.filters.network.sni_cluster", typed_config=packed(sni_cluster_pb2.SniCluster())
    )
    out = _empty()
    filters = [*slots.tcp_filters(name), by_sni, piped(name, names.NOWHERE, 0)]
    out.filter_chains.add(name=name, filter_chain_match=match, filters=filters)
    return _resource(out)


def merged(listeners: Iterable[Resource]) -> Resource:
    """The chains of several meshes on one listener, in the order given."""
    out = _empty()
    for resource in listeners:
        out.filter_chains.extend(listener_pb2.Listener.FromString(resource.body).filter_chains)
    return _resource(out)


def backends(
    instances: Sequence[LocalInstance], directory: Directory, here: Here, versions: Sequence[Version] = VERSIONS
) -> Iterator[Resource]:
    """One backend per exported slot and port, and one per node and port for callers above the slot cap.

    The name of a backend is the SNI it is picked by; so each has one in every version that is accepted.
    """
    anyone: dict[Sni, list[endpoint_components_pb2.LbEndpoint]] = defaultdict(list)
    said: dict[Sni, str] = {}
    for sni, instance in sorted(slots_of(instances, directory, here), key=lambda pair: pair[0]):
        endpoint = _endpoint(instance, instance.ports[sni.port])
        shared = Sni(ANY, sni.port, sni.service, sni.mesh)
        anyone[shared].append(endpoint)
        said[shared] = instance.node
        stat = f"{names.backend(instance.node, sni.port)}/{sni.slot}"
        yield from (_backend(name, stat, [endpoint]) for name in _called(sni, directory, versions))
    for sni, endpoints in anyone.items():
        stat = f"{names.backend(said[sni], sni.port)}/{ANY}"
        yield from (_backend(name, stat, endpoints) for name in _called(sni, directory, versions))


def _called(sni: Sni, directory: Directory, versions: Sequence[Version]) -> Iterator[str]:
    return (sni.text(directory.facts.suffix, version) for version in accepted(versions))


def _backend(name: str, stat: str, endpoints: Iterable[endpoint_components_pb2.LbEndpoint]) -> Resource:
    out = cluster_pb2.Cluster(
        name=name,
        alt_stat_name=names.stat(stat),
        type=cluster_pb2.Cluster.STATIC,
        connect_timeout=lasting(CONNECT_TIMEOUT),
    )
    out.load_assignment.cluster_name = name
    out.load_assignment.endpoints.add(lb_endpoints=endpoints)
    return Resource(Type.CLUSTER, name, out.SerializeToString(deterministic=True))


def _endpoint(instance: LocalInstance, port: int) -> endpoint_components_pb2.LbEndpoint:
    out = endpoint_components_pb2.LbEndpoint(
        health_status=HEALTH[instance.health], load_balancing_weight=UInt32Value(value=max(instance.weight, 1))
    )
    out.endpoint.CopyFrom(reached(instance, port))
    return out


def _empty() -> listener_pb2.Listener:
    out = listener_pb2.Listener(
        name=names.EAST_WEST,
        traffic_direction=base_pb2.INBOUND,
        listener_filters=[inspected()],
        socket_options=[
            socket_option_pb2.SocketOption(level=level, name=name, int_value=value) for level, name, value in KEEPALIVE
        ],
    )
    out.address.socket_address.address = PLACEHOLDER
    out.address.socket_address.port_value = PORT
    return out


def _resource(message: listener_pb2.Listener) -> Resource:
    return Resource(Type.LISTENER, message.name, message.SerializeToString(deterministic=True))
