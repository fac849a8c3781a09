"""What an Envoy is told, and when, as sentences about one stream."""

import pytest

from isthmus.xds.ads import Nack, Session, UnknownEnvoy
from isthmus.xds.snapshot import Resource, Type
from tests.unit.ads.speaking import (
    ack,
    asks,
    cluster,
    endpoints,
    listener,
    nack,
    refs,
    routes,
    secret,
    session,
    settle,
    told,
    versions,
    world,
)  # fmt: skip

A, B = cluster("a"), cluster("b")
EA, EB = endpoints("a"), endpoints("b")
L, R = listener("l", "r"), routes("r", ["a"])
ALL = (A, EA, L, R)


def started(*resources: Resource) -> Session:
    """An Envoy that holds these, all acknowledged."""
    stream = session(*resources)
    for kind in (Type.CLUSTER, Type.ENDPOINTS, Type.LISTENER, Type.ROUTES):
        wild = kind in (Type.CLUSTER, Type.LISTENER)
        settle(stream, stream.on_request(asks(kind, *([] if wild else [r.name for r in resources if r.type == kind]))))
    return stream


@pytest.mark.parametrize("names", [(), ("*",), ("*", "lazy")], ids=["empty", "star", "star and a name"])
def test_a_wildcard_may_be_said_in_two_ways(names: tuple[str, ...]) -> None:
    assert told(session(A).on_request(asks(Type.CLUSTER, *names)))[0] == "cds +a"


def test_a_wildcard_with_nothing_to_send_is_answered_all_the_same() -> None:
    assert told(session().on_request(asks(Type.LISTENER))) == ["lds"]


def test_until_it_is_known_what_it_should_have_an_envoy_is_not_answered() -> None:
    stream = Session(["1.40"])
    assert stream.on_request(asks(Type.CLUSTER, held={"a": "1"})) == []
    stream.update(world())
    assert told(stream.pending()) == ["cds", "cds -a"]


def test_an_envoy_that_comes_with_everything_gets_two_empty_answers() -> None:
    stream = session(*ALL)
    said = [told(stream.on_request(asks(Type.CLUSTER, held=versions(A))))]
    said += [told(stream.on_request(asks(Type.ENDPOINTS, "a", held=versions(EA))))]
    said += [told(stream.on_request(asks(Type.LISTENER, held=versions(L))))]
    said += [told(stream.on_request(asks(Type.ROUTES, "r", held=versions(R))))]
    assert said == [["cds"], [], ["lds"], []]
    assert stream.proven(refs(*ALL))


def test_the_endpoints_of_a_changed_cluster_follow_in_the_same_push() -> None:
    stream = started(*ALL)
    stream.update(world(cluster("a", "2"), EA, L, R))
    assert told(stream.pending()) == ["cds +a", "eds +a"]


def test_they_follow_also_if_envoy_asks_for_them_later_and_has_them() -> None:
    stream = session(cluster("a", "2"), EA)
    assert told(stream.on_request(asks(Type.CLUSTER, held=versions(A)))) == ["cds +a"]
    assert told(stream.on_request(asks(Type.ENDPOINTS, "a", held=versions(EA)))) == ["eds +a"]


def test_a_name_that_is_asked_for_again_is_answered_again() -> None:
    stream = started(*ALL)
    assert told(stream.on_request(asks(Type.ENDPOINTS, "a"))) == ["eds +a"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Type.CLUSTER, ["cds -x"]), (Type.ENDPOINTS, ["eds -x"]),
        (Type.ROUTES, []), (Type.SECRET, []), (Type.EXTENSION, []),
    ],
    ids=["an unknown cluster is denied", "endpoints too", "routes wait", "secrets wait", "filters wait"],
)  # fmt: skip
def test_unknown_names(kind: Type, expected: list[str]) -> None:
    stream = session()
    assert told(stream.on_request(asks(kind, "x"))) == expected
    assert told(stream.pending()) == [], "once is enough"


def test_what_was_unknown_comes_when_it_is_there() -> None:
    stream = session()
    stream.on_request(asks(Type.SECRET, "identity"))
    stream.update(world(secret("identity")))
    assert told(stream.pending()) == ["sds +identity"]


def test_routes_wait_for_the_new_cluster_that_they_refer_to() -> None:
    stream = started(*ALL)
    stream.update(world(A, B, EA, EB, L, routes("r", ["a", "b"])))
    (clusters,) = stream.pending()
    (answer,) = stream.on_request(asks(Type.ENDPOINTS, "b"))
    assert told([clusters, answer]) == ["cds +b", "eds +b"]
    assert stream.on_request(ack(answer)) == []
    assert told(stream.on_request(ack(clusters))) == ["rds +r"]


def test_routes_that_do_not_refer_to_it_do_not_wait() -> None:
    stream = started(*ALL)
    stream.update(world(A, cluster("a/b"), EA, endpoints("a/b"), L, routes("r", ["a"], "2")))
    assert told(stream.pending()) == ["cds +a/b", "rds +r"]


def test_what_nothing_refers_to_any_more_goes_last_listeners_first() -> None:
    stream = started(*ALL, B, EB, listener("old"))
    stream.update(world(A, EA, L, routes("r", ["a"], "2")))
    (changed,) = stream.pending()
    assert told([changed]) == ["rds +r"]
    assert told(stream.on_request(ack(changed))) == ["lds -old", "cds -b"]


def test_a_cluster_stays_while_routes_that_were_refused_leave_older_ones_in_place() -> None:
    stream = started(*ALL, B, EB)
    stream.update(world(B, EB, L, routes("r", ["b"], "bad")))
    (changed,) = stream.pending()
    assert stream.on_request(nack(changed)) == []
    stream.update(world(B, EB, L, routes("r", ["b"])))
    (mended,) = stream.pending()
    assert told(stream.on_request(ack(mended))) == ["cds -a"]


def test_routes_to_a_refused_cluster_leave_the_older_ones_in_place() -> None:
    stream = started(*ALL)
    stream.update(world(A, B, EA, EB, L, routes("r", ["b"])))
    (clusters,) = stream.pending()
    assert stream.on_request(nack(clusters, "Error adding/updating cluster(s) b: no")) == []


def test_an_envoy_that_starts_gets_what_can_work_beside_a_refused_cluster() -> None:
    stream = session(A, B, EA, EB, L, routes("r", ["a", "b"]))
    (both,) = stream.on_request(asks(Type.CLUSTER))
    (good, bad) = stream.on_request(nack(both, "Error adding/updating cluster(s) b: no"))
    assert told([good, bad]) == ["cds +a", "cds +b"]
    stream.on_request(nack(bad, "Error adding/updating cluster(s) b: no"))
    stream.on_request(ack(good))
    assert told(stream.on_request(asks(Type.ROUTES, "r"))) == ["rds +r"]


def test_few_routes_go_one_a_response_so_that_a_refusal_has_a_name() -> None:
    stream = session(routes("r", []), routes("s", []))
    first, second = stream.on_request(asks(Type.ROUTES, "r", "s"))
    stream.on_request(ack(first))
    stream.on_request(nack(second))
    assert stream.nacks == (Nack(Type.ROUTES, "s", routes("s", []).ref.version, "missing ]: ["),)


def test_many_go_together_and_apart_once_they_are_refused() -> None:
    many = [endpoints(f"e{n}") for n in range(20)]
    stream = session(*many)
    (whole,) = stream.on_request(asks(Type.ENDPOINTS, *(e.name for e in many)))
    halves = stream.on_request(nack(whole))
    assert [len(r.resources) for r in halves] == [10, 10]
    assert stream.nacks == ()


def test_a_refused_version_is_not_sent_again_and_another_one_is() -> None:
    stream = started(*ALL)
    stream.update(world(A, EA, L, routes("r", ["a"], "bad")))
    (sent,) = stream.pending()
    assert stream.on_request(nack(sent)) == []
    stream.update(world(A, EA, L, routes("r", ["a"], "good")))
    assert told(stream.pending()) == ["rds +r"]
    assert stream.nacks == ()


def test_going_back_to_what_envoy_runs_needs_no_word_and_is_proven_at_once() -> None:
    stream = started(*ALL)
    stream.update(world(A, EA, L, routes("r", ["a"], "bad")))
    (sent,) = stream.pending()
    stream.on_request(nack(sent))
    assert not stream.proven(refs(A, L, routes("r", ["a"], "bad")))
    stream.update(world(*ALL))
    assert stream.pending() == []
    assert stream.proven(refs(*ALL))


def test_a_removal_lets_what_was_refused_be_tried_once_more() -> None:
    stream = started(listener("old"))
    stream.update(world(listener("new")))
    (added,) = stream.pending()
    (removed,) = stream.on_request(nack(added, "error adding listener: 'new' has duplicate address"))
    assert told([removed]) == ["lds -old"]
    assert told(stream.on_request(ack(removed))) == ["lds +new"]


def test_nothing_is_proven_while_something_that_should_be_gone_is_there() -> None:
    stream = started(A, EA, B, EB)
    stream.update(world(A, EA))
    (removal,) = stream.pending()
    assert not stream.proven(refs(A))
    stream.on_request(ack(removal))
    assert stream.proven(refs(A))


def test_an_ack_speaks_of_what_was_sent_and_not_of_what_is_wanted_since() -> None:
    stream = started(*ALL)
    newer, newest = routes("r", ["a"], "2"), routes("r", ["a"], "3")
    stream.update(world(A, EA, L, newer))
    (first,) = stream.pending()
    stream.update(world(A, EA, L, newest))
    (second,) = stream.pending()
    stream.on_request(ack(first))
    assert not stream.proven(refs(newest))
    stream.on_request(nack(second))
    assert stream.acked[Type.ROUTES, "r"] == newer.ref.version


def test_an_envoy_of_another_minor_is_refused_by_name() -> None:
    with pytest.raises(UnknownEnvoy, match=r"Envoy 1\.37\.0 \(web-1\) is not served"):
        session(A).on_request(asks(Type.CLUSTER, minor=37))


def test_the_session_knows_who_it_speaks_to() -> None:
    stream = session(A)
    stream.on_request(asks(Type.CLUSTER))
    assert (stream.node, stream.envoy) == ("web-1", "1.40.0")


def test_a_type_that_we_do_not_serve_is_passed_over() -> None:
    stream = session(A)
    request = asks(Type.CLUSTER)
    request.type_url = "type.googleapis.com/envoy.config.route.v3.VirtualHost"
    assert stream.on_request(request) == []


def test_an_unsubscribed_name_is_forgotten() -> None:
    stream = started(*ALL)
    stream.on_request(asks(Type.ROUTES, drop=["r"]))
    stream.update(world(A, EA, L, routes("r", ["a"], "2")))
    assert stream.pending() == []
    assert (Type.ROUTES, "r") not in stream.acked
