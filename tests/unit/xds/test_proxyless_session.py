"""The stream of gRPC's own client: by name, whole where it must be, and proven by what was asked for."""

import pytest
from envoy.config.core.v3 import base_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.service.discovery.v3 import discovery_pb2

from isthmus.xds.proxyless_session import Session
from isthmus.xds.snapshot import TYPE_OF_URL, TYPE_URL, Ref, Resource, Type
from isthmus.xds.subscription import Wanted

Resources = dict[tuple[Type, str], Wanted]
NODE = base_pb2.Node(id="front", user_agent_name="gRPC C-core linux", user_agent_version="1.85.1")


def listener(name: str, port: int = 1) -> Resource:
    message = listener_pb2.Listener(name=name)
    message.address.socket_address.port_value = port
    return Resource(Type.LISTENER, name, message.SerializeToString())


def other(kind: Type, name: str, body: bytes = b"") -> Resource:
    return Resource(kind, name, body)


def wanted(*resources: Resource) -> Resources:
    return {(r.type, r.name): Wanted(r.ref.version, r.body) for r in resources}


def refs(*resources: Resource) -> list[Ref]:
    return [r.ref for r in resources]


class Client:
    """What C-core does on a stream: it names all that it wants with each request, and answers each response."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.names: dict[Type, list[str]] = {}
        self.nonces: dict[Type, str] = {}

    def ask(self, kind: Type, *names: str, refused: str = "") -> None:
        self.names[kind] = list(names)
        request = discovery_pb2.DiscoveryRequest(
            type_url=TYPE_URL[kind], resource_names=names, response_nonce=self.nonces.get(kind, ""), node=NODE
        )
        if refused:
            request.error_detail.message = refused
        self.session.receive(request)

    def hear(self, refused: str = "") -> dict[Type, list[bytes]]:
        """Whatever is due, answered: by type, the bodies."""
        out: dict[Type, list[bytes]] = {}
        for response in self.session.pending():
            kind = TYPE_OF_URL[response.type_url]
            self.nonces[kind] = response.nonce
            out[kind] = [each.value for each in response.resources]
            self.ask(kind, *self.names[kind], refused=refused)
        return out


def opened(*resources: Resource) -> Client:
    session = Session()
    session.update(wanted(*resources))
    return Client(session)


def names(bodies: list[bytes]) -> list[str]:
    return [listener_pb2.Listener.FromString(body).name for body in bodies]


@pytest.mark.parametrize(
    ("asked", "port"),
    [("a.local", 1), ("A.Local", 1), ("a.local:80", 2), ("a.local:81", 3)],
    ids=["bare", "in another case", "under a port of its own", "under any other port"],
)
def test_a_listener_is_called_as_it_was_asked_for(asked: str, port: int) -> None:
    client = opened(listener("a.local", 1), listener("a.local:80", 2), listener("a.local:*", 3))
    client.ask(Type.LISTENER, asked)
    (body,) = client.hear()[Type.LISTENER]
    message = listener_pb2.Listener.FromString(body)
    assert (message.name, message.address.socket_address.port_value) == (asked, port)


def test_an_unknown_name_is_not_answered_until_it_is_there() -> None:
    client = opened(listener("a.local"))
    client.ask(Type.LISTENER, "b.local:80")
    assert client.hear() == {}
    client.session.update(wanted(listener("b.local:*")))
    assert names(client.hear()[Type.LISTENER]) == ["b.local:80"]


def test_listeners_and_clusters_come_whole_and_the_others_as_they_change() -> None:
    client = opened(
        other(Type.CLUSTER, "a"), other(Type.CLUSTER, "b"), other(Type.ROUTES, "r"), other(Type.ROUTES, "s")
    )
    client.ask(Type.CLUSTER, "a")
    assert client.hear() == {Type.CLUSTER: [b""]}
    client.ask(Type.CLUSTER, "a", "b")
    client.ask(Type.ROUTES, "r", "s")
    assert client.hear() == {Type.ROUTES: [b"", b""], Type.CLUSTER: [b"", b""]}
    changed = wanted(other(Type.CLUSTER, "a", b"1"), other(Type.CLUSTER, "b"), other(Type.ROUTES, "r", b"1"))
    client.session.update(changed | wanted(other(Type.ROUTES, "s")))
    assert client.hear() == {Type.ROUTES: [b"1"], Type.CLUSTER: [b"1", b""]}
    assert client.hear() == {}, "nothing changed"


def test_endpoints_that_are_not_there_are_said_to_be_none() -> None:
    client = opened()
    client.ask(Type.ENDPOINTS, "a")
    (body,) = client.hear()[Type.ENDPOINTS]
    assert endpoint_pb2.ClusterLoadAssignment.FromString(body) == endpoint_pb2.ClusterLoadAssignment(cluster_name="a")


def test_a_cluster_goes_when_the_routes_that_led_to_it_are_acknowledged() -> None:
    client = opened(other(Type.ROUTES, "r"), other(Type.CLUSTER, "a"), other(Type.CLUSTER, "b"))
    client.ask(Type.ROUTES, "r")
    client.ask(Type.CLUSTER, "a", "b")
    client.hear()
    client.session.update(wanted(other(Type.ROUTES, "r", b"1"), other(Type.CLUSTER, "b")))
    (routes,) = client.session.pending()
    assert TYPE_OF_URL[routes.type_url] == Type.ROUTES, "the cluster stays meanwhile"
    client.nonces[Type.ROUTES] = routes.nonce
    client.ask(Type.ROUTES, "r")
    assert client.hear() == {Type.CLUSTER: [b""]}


def test_what_is_asked_for_is_proven_and_the_rest_is_not_waited_for() -> None:
    a, b = other(Type.CLUSTER, "a", b"1"), other(Type.CLUSTER, "b")
    client = opened(a, b)
    assert not client.session.proven(refs(a, b)), "nobody is there yet"
    client.ask(Type.CLUSTER, "a")
    assert not client.session.proven(refs(a, b))
    client.hear()
    assert client.session.proven(refs(a, b))
    assert not client.session.proven(refs(other(Type.CLUSTER, "a", b"2"), b))


def test_a_refusal_is_of_what_it_names_and_its_neighbours_are_taken() -> None:
    a, inner = other(Type.CLUSTER, "a"), other(Type.CLUSTER, "mtls/a")
    client = opened(a, inner)
    client.ask(Type.CLUSTER, "a", "mtls/a")
    client.hear(refused="errors: [resource index 1: mtls/a: INVALID_ARGUMENT: no]")
    (nack,) = client.session.nacks
    assert (nack.type, nack.name, nack.version) == (Type.CLUSTER, "mtls/a", inner.ref.version)
    assert client.session.proven(refs(a))
    assert not client.session.proven(refs(a, inner))
    assert client.hear() == {}, "what was refused is not sent again as it was"
    client.session.update(wanted(a, other(Type.CLUSTER, "mtls/a", b"2")))
    assert client.session.nacks == (), "it is not wanted any more"
    client.hear()
    assert client.session.proven(refs(a, other(Type.CLUSTER, "mtls/a", b"2")))


def test_a_refusal_that_names_nothing_is_of_everything() -> None:
    a, b = other(Type.CLUSTER, "a"), other(Type.CLUSTER, "b")
    client = opened(a, b)
    client.ask(Type.CLUSTER, "a", "b")
    client.hear(refused="no")
    assert {nack.name for nack in client.session.nacks} == {"a", "b"}


def test_a_refused_listener_is_told_under_the_name_that_we_know() -> None:
    known = listener("a.local:*")
    client = opened(known)
    client.ask(Type.LISTENER, "a.local:80")
    client.hear(refused="no")
    (nack,) = client.session.nacks
    assert (nack.name, nack.version) == ("a.local:*", known.ref.version)


def test_what_is_dropped_and_asked_for_again_is_sent_again() -> None:
    client = opened(other(Type.ROUTES, "r"))
    for _ in range(2):
        client.ask(Type.ROUTES, "r")
        assert client.hear() == {Type.ROUTES: [b""]}
        client.ask(Type.ROUTES)
        assert client.hear() == {}


def test_it_says_who_it_is_in_its_own_words() -> None:
    client = opened()
    assert client.session.envoy == ""
    client.ask(Type.SECRET, "bundle")
    assert client.hear() == {}, "it has its certificates from files"
    assert (client.session.node, client.session.envoy) == ("front", "gRPC C-core linux 1.85.1")
