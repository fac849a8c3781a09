"""What an Envoy on a state-of-the-world stream is told, as sentences; what is decided is `ads`'s, tested there."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.service.discovery.v3 import discovery_pb2

from isthmus.xds.ads import UnknownEnvoy
from isthmus.xds.snapshot import TYPE_OF_URL, TYPE_URL, Resource, Type
from isthmus.xds.sotw import Held, Session
from tests.unit.ads.speaking import cluster, endpoints, listener, node, refs, routes, secret, world

A, B = cluster("a"), cluster("b")
EA, EB = endpoints("a"), endpoints("b")
L, R = listener("l", "r"), routes("r", ["a"])
ALL = (A, EA, L, R)
Request: TypeAlias = discovery_pb2.DiscoveryRequest
Response: TypeAlias = discovery_pb2.DiscoveryResponse
MESSAGES = {
    Type.CLUSTER: cluster_pb2.Cluster,
    Type.LISTENER: listener_pb2.Listener,
    Type.ROUTES: route_pb2.RouteConfiguration,
}


class Client:
    """The other end: it remembers the version and nonce of each type, as every client does."""

    def __init__(self, stream: Session, held: Mapping[Type, str] | None = None, minor: int = 40) -> None:
        self.stream, self._minor = stream, minor
        self._names: dict[Type, tuple[str, ...]] = {}
        self._version, self._nonce = dict(held or {}), dict[Type, str]()

    def ask(self, kind: Type, *names: str) -> list[Response]:
        self._names[kind] = names
        return self.stream.on_request(self._request(kind))

    def ack(self, response: Response) -> list[Response]:
        kind = TYPE_OF_URL[response.type_url]
        self._version[kind], self._nonce[kind] = response.version_info, response.nonce
        return self.stream.on_request(self._request(kind))

    def nack(self, response: Response, message: str = "missing ]: [") -> list[Response]:
        kind = TYPE_OF_URL[response.type_url]
        self._nonce[kind] = response.nonce
        request = self._request(kind)
        request.error_detail.code, request.error_detail.message = 13, message
        return self.stream.on_request(request)

    def settle(self, responses: Iterable[Response]) -> list[str]:
        """Acknowledge everything until nothing comes; what was said, in order."""
        queue, said = list(responses), list[str]()
        while queue:
            said += told(queue[:1])
            queue += self.ack(queue.pop(0))
        return said

    def versions(self) -> dict[Type, str]:
        return dict(self._version)

    def _request(self, kind: Type) -> Request:
        return Request(
            node=node(minor=self._minor), type_url=TYPE_URL[kind], resource_names=self._names[kind],
            version_info=self._version.get(kind, ""), response_nonce=self._nonce.get(kind, ""),
        )  # fmt: skip


def told(responses: Iterable[Response]) -> list[str]:
    """Responses as `cds a b`, `lds` (empty)."""
    return [" ".join([TYPE_OF_URL[r.type_url], *(_name(r.type_url, x.value) for x in r.resources)]) for r in responses]


def _name(url: str, body: bytes) -> str:
    if TYPE_OF_URL[url] == Type.ENDPOINTS:
        return str(endpoint_pb2.ClusterLoadAssignment.FromString(body).cluster_name)
    message = MESSAGES.get(TYPE_OF_URL[url])
    return str(message.FromString(body).name) if message else body.decode()


def client(*resources: Resource, held: Held | None = None, versions: Mapping[Type, str] | None = None) -> Client:
    """A stream of an Envoy that is to have these."""
    stream = Session(["1.40"], held)
    stream.update(world(*resources))
    return Client(stream, versions)


def started(*resources: Resource) -> Client:
    """An Envoy that holds these, all acknowledged."""
    made = client(*resources)
    for kind in (Type.CLUSTER, Type.ENDPOINTS, Type.LISTENER, Type.ROUTES):
        wild = kind in (Type.CLUSTER, Type.LISTENER)
        made.settle(made.ask(kind, *([] if wild else [r.name for r in resources if r.type == kind])))
    return made


def test_an_envoy_that_starts_gets_everything_that_it_asks_for() -> None:
    one = client(A, B, EA, EB, L, R)
    said = [one.settle(one.ask(Type.CLUSTER)), one.settle(one.ask(Type.ENDPOINTS, "a", "b"))]
    said += [one.settle(one.ask(Type.LISTENER)), one.settle(one.ask(Type.ROUTES, "r"))]
    assert said == [["cds a b"], ["eds a", "eds b"], ["lds l"], ["rds r"]]
    assert one.stream.proven(refs(A, B, EA, EB, L, R))


def test_a_wildcard_with_nothing_to_send_is_answered_all_the_same() -> None:
    assert told(client().ask(Type.LISTENER)) == ["lds"]


def test_an_acknowledgement_is_not_answered() -> None:
    one = started(*ALL)
    assert one.ask(Type.CLUSTER) == []
    assert one.ask(Type.ROUTES, "r") == []


def test_a_changed_cluster_comes_with_all_the_others_and_with_its_endpoints() -> None:
    one = started(*ALL, B, EB)
    one.stream.update(world(cluster("a", "2"), EA, B, EB, L, R))
    assert told(one.stream.pending()) == ["cds a b", "eds a"]


def test_changed_routes_come_alone() -> None:
    one = started(*ALL, routes("s", []))
    one.stream.update(world(A, EA, L, routes("r", ["a"], "2"), routes("s", [])))
    assert told(one.stream.pending()) == ["rds r"]


def test_names_that_are_added_are_answered_and_those_before_are_not_answered_again() -> None:
    one = client(EA, EB)
    one.settle(one.ask(Type.ENDPOINTS, "a"))
    assert told(one.ask(Type.ENDPOINTS, "a", "b")) == ["eds b"]


def test_a_name_that_was_dropped_is_answered_when_it_is_asked_for_again() -> None:
    one = started(*ALL)
    assert one.ask(Type.ROUTES) == []
    assert told(one.ask(Type.ROUTES, "r")) == ["rds r"]


def test_what_nothing_refers_to_any_more_goes_last_listeners_first() -> None:
    one = started(*ALL, B, EB, listener("old"))
    one.stream.update(world(A, EA, L, routes("r", ["a"], "2")))
    assert one.settle(one.stream.pending()) == ["rds r", "lds l", "cds a"]
    assert one.stream.proven(refs(A, L))


def test_first_both_old_and_new_clusters_then_routes_then_the_new_ones_alone() -> None:
    one = started(*ALL)
    one.stream.update(world(B, EB, L, routes("r", ["b"])))
    (clusters,) = one.stream.pending()
    assert told([clusters]) == ["cds a b"]
    assert told(one.ask(Type.ENDPOINTS, "a", "b")) == ["eds b"], "the cluster warms; the routes wait"
    assert one.settle(one.ack(clusters)) == ["rds r"], "the removal waits for the endpoints' answer"


def test_one_response_of_a_type_is_on_its_way_at_a_time() -> None:
    one = started(*ALL)
    one.stream.update(world(cluster("a", "2"), EA, L, R))
    first = one.stream.pending()
    one.stream.update(world(cluster("a", "3"), EA, L, R))
    assert one.stream.pending() == []
    assert one.settle(first[1:]) == ["eds a"]
    assert told(one.ack(first[0])) == ["cds a", "eds a"]


def test_after_a_refusal_what_was_good_is_said_again_without_the_culprit() -> None:
    one = started(*ALL)
    one.stream.update(world(A, B, cluster("c", "bad"), EA, EB, endpoints("c"), L, R))
    (both,) = one.stream.pending()
    (good,) = one.nack(both, "Error adding/updating cluster(s) c: no")
    assert told([both, good]) == ["cds a b c", "cds a b"]
    (bad,) = one.ack(good)
    assert told([bad]) == ["cds a b c"]
    assert told(one.nack(bad, "Error adding/updating cluster(s) c: no")) == []
    assert [(n.type, n.name) for n in one.stream.nacks] == [(Type.CLUSTER, "c")]


def test_a_cluster_that_goes_back_with_a_refused_one_warms_with_its_endpoints() -> None:
    """Envoy took the new `a` of a response that it refused, and its next one holds the old `a` again."""
    names = [f"n{i}" for i in range(10)]
    one = started(*(cluster(n) for n in names), *(endpoints(n) for n in names))
    one.stream.update(world(*(cluster(n, "2") for n in names), *(endpoints(n) for n in names)))
    changed, again = one.stream.pending()
    one.ack(again)
    half, owed = one.nack(changed, "who knows which")
    assert told([half]) == ["cds " + " ".join(names)]
    assert [x.value for x in half.resources] == [cluster(n, "2" if n < "n5" else "1").body for n in names]
    assert set(" ".join(one.settle([owed])).split()) == {"eds", *names}


def test_endpoints_of_a_cluster_that_nobody_wants_any_more_are_none_so_that_it_need_not_warm() -> None:
    one = client(A, EA)
    (clusters,) = one.ask(Type.CLUSTER)
    one.stream.update(world())
    (none,) = one.ask(Type.ENDPOINTS, "a")
    assert [x.value for x in none.resources] == [
        endpoint_pb2.ClusterLoadAssignment(cluster_name="a").SerializeToString()
    ]
    assert one.settle([none, clusters]) == ["eds a", "cds a", "cds"]


def test_a_refused_version_keeps_the_last_good_one_in_what_is_said_later() -> None:
    one = started(*ALL)
    one.stream.update(world(cluster("a", "bad"), EA, L, R))
    (changed, again) = one.stream.pending()
    one.ack(again)
    assert one.nack(changed) == []
    one.stream.update(world(cluster("a", "bad"), B, EA, EB, L, R))
    (more, *_) = one.stream.pending()
    assert [x.value for x in more.resources] == [A.body, B.body]


def test_a_stale_nonce_answers_nothing() -> None:
    one = started(*ALL)
    one.stream.update(world(A, EA, L, routes("r", ["a"], "2")))
    (sent,) = one.stream.pending()
    one.ask(Type.ROUTES, "r")
    assert not one.stream.proven(refs(routes("r", ["a"], "2")))
    one.ack(sent)
    assert one.stream.proven(refs(routes("r", ["a"], "2")))


def test_an_envoy_that_comes_back_loses_nothing_before_its_routes_have_moved() -> None:
    one = started(*ALL)
    back = client(B, EB, L, routes("r", ["b"]), held=one.stream.held, versions=one.versions())
    first = back.ask(Type.CLUSTER)
    assert told(first) == ["cds a b"]
    back.settle(first)
    said = [back.settle(back.ask(Type.ENDPOINTS, "b")), back.settle(back.ask(Type.LISTENER))]
    said += [back.settle(back.ask(Type.ROUTES, "r"))]
    assert said == [["eds b"], ["lds l"], ["rds r", "cds b"]]


def test_an_envoy_with_what_nobody_remembers_gets_what_it_is_to_have() -> None:
    assert told(client(*ALL, versions={Type.CLUSTER: "0:1:abc"}).ask(Type.CLUSTER)) == ["cds a"]


def test_a_client_may_name_its_clusters() -> None:
    """As gRPC does: nobody but Envoy uses wildcards."""
    one = client(A, B, EA, EB)
    assert one.settle(one.ask(Type.CLUSTER, "a")) == ["cds a"]
    assert one.settle(one.ask(Type.CLUSTER, "a", "b")) == ["cds a b"]
    assert one.settle(one.ask(Type.CLUSTER, "b", "ghost")) == ["cds b"]
    one.stream.update(world(A, cluster("b", "2"), EA, EB))
    assert told(one.stream.pending())[0] == "cds b"


def test_an_unknown_secret_comes_when_it_is_there() -> None:
    one = client()
    assert one.ask(Type.SECRET, "x") == []
    one.stream.update(world(secret("x", "body")))
    assert told(one.stream.pending()) == ["sds body"]


def test_an_envoy_of_another_minor_is_refused_by_name() -> None:
    stream = Session(["1.40"])
    with pytest.raises(UnknownEnvoy, match=r"1\.37\.0"):
        Client(stream, minor=37).ask(Type.CLUSTER)
