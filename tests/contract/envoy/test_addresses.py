"""Services by their own names and addresses, run by real Envoys: DNS, HTTP and TCP at VIPs, in both clusters."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address, ip_network
from threading import Event, Thread
from typing import Any

import pytest
from dnslib import DNSRecord

from isthmus.model.definition import Definition
from isthmus.model.vips import DEFAULT
from isthmus.xds.unbindable import is_without_six
from tests import build
from tests.contract.envoy.asking import ask, connected, received
from tests.contract.envoy.naming import Names
from tests.contract.envoy.stage import DNS, HTTP, SECOND, TCP, Instance, Stage
from tests.until import until

NEAR, FAR, DB, ZOO, OWN = "reviews", "Far.Local", "db.local", "zoo.local", "own.local"


def definition(*backends: str, egress: str = "DROP_ALL", ip: str | None = None) -> Definition:
    """`front` calls two services over HTTP and two over TCP on one port; of each pair one is only in west."""
    return build.mesh(
        build.node("front", port=SECOND, backends=backends or (NEAR, FAR, DB, ZOO)),
        build.node("own", port=SECOND),
        build.service(OWN, node="own"),
        build.node("near", port=HTTP),
        build.node("far", port=HTTP),
        build.node("db", ports={TCP: "tcp"}),
        build.node("zoo", ports={TCP: "tcp"}),
        build.placement("far", "west"),
        build.placement("zoo", "west"),
        build.service(NEAR, node="near"),
        build.service(FAR, node="far"),
        build.service(DB, node="db"),
        build.service(ZOO, node="zoo"),
        build.service("hidden.local", node="near"),
        targets={"near": 100},
        spec={"egressFilter": {"type": egress}} | ({"serviceDiscovery": {"ipPreference": ip}} if ip else {}),
    )


@pytest.fixture(scope="module")
def names() -> Iterator[Names]:
    """The host's DNS."""
    made = Names({"outside.example": "192.0.2.7"})
    yield made
    made.stop()


@pytest.fixture(scope="module")
def stage(names: Names) -> Iterator[Stage]:
    west = [Instance(name, cluster="west") for name in ("far", "zoo")]
    made = Stage(Instance("front", vips=True, serving=False), Instance("near"), Instance("db"), *west)
    made.dns_servers = (names.at,)
    try:
        yield made
        assert made.ads.refused == []
    finally:
        made.stop()


def asked(stage: Stage, name: str, kind: str = "A") -> DNSRecord:
    """What `front`'s proxy answers."""
    question = DNSRecord.question(name, kind)
    answer = DNSRecord.parse(question.send(stage.addresses["front"], DNS, timeout=5))
    assert answer.header.id == question.header.id
    return answer


def found(stage: Stage, name: str, kind: str = "A") -> list[str]:
    return [str(answer.rdata) for answer in asked(stage, name, kind).rr]


def greeting(address: str, port: int = TCP) -> bytes:
    """Who takes a connection."""
    with connected(address, port) as connection:
        return received(connection).strip()


@pytest.mark.parametrize("name", [NEAR, FAR, DB, ZOO])
def test_a_backend_has_an_address_in_whatever_spelling_it_is_asked_for(stage: Stage, name: str) -> None:
    stage.apply(definition())
    (address,) = found(stage, name)
    assert ip_address(address) in DEFAULT
    for spelled in (name.lower(), name.upper(), f"{name}."):
        assert found(stage, spelled) == [address]
    assert [ip_address(mapped) for mapped in found(stage, name, "AAAA")] == [ip_address(f"::ffff:{address}")]


def test_every_backend_has_an_address_of_its_own(stage: Stage) -> None:
    stage.apply(definition())
    assert len({found(stage, name)[0] for name in (NEAR, FAR, DB, ZOO)}) == 4


def test_other_names_are_the_hosts_to_answer(stage: Stage, names: Names) -> None:
    stage.apply(definition())
    assert found(stage, "outside.example") == ["192.0.2.7"]
    assert asked(stage, "nowhere.example").header.rcode == 3
    assert asked(stage, "hidden.local").header.rcode == 3, "a service that is no backend is nobody here"
    assert {"outside.example", "nowhere.example", "hidden.local"} <= names.asked
    assert not {NEAR, DB} & names.asked, "what the mesh answers it keeps to itself"


@pytest.mark.parametrize(("name", "by"), [(NEAR, "near"), (FAR, "far")])
def test_http_goes_where_a_name_leads(stage: Stage, name: str, by: str) -> None:
    stage.apply(definition())
    (address,) = found(stage, name)
    for host in (f"{name}:{HTTP}", f"{address}:{HTTP}", "something.else"):
        answer = ask(address, HTTP, host, "/a?b=c", "POST", body=b"said")
        assert (answer.by, answer.said["path"], answer.said["body"]) == (by, "/a?b=c", "said")


def test_two_tcp_services_of_one_port_are_told_apart(stage: Stage) -> None:
    stage.apply(definition())
    assert greeting(found(stage, DB)[0]) == b"db"
    assert greeting(found(stage, ZOO)[0]) == b"zoo"
    assert greeting(stage.addresses["front"]) == b"db", "at the instance's own address the first by name has the port"


def test_an_application_that_listens_everywhere_starts_beside_a_backend_of_its_own_port(
    stage: Stage, names: Names
) -> None:
    """And that backend's name is not answered with an address where the application itself would be."""
    stage.apply(definition(NEAR, OWN))
    with closing(socket.create_server(("", SECOND))):
        assert asked(stage, OWN).header.rcode == 3
        assert OWN in names.asked, "the host's DNS is asked, as without a proxy"
        assert found(stage, NEAR) != []


def test_a_service_that_is_no_backend_any_more_has_no_address(stage: Stage) -> None:
    stage.apply(definition())
    (address,) = found(stage, ZOO)
    stage.apply(definition(NEAR, DB))
    assert found(stage, ZOO) == []
    until(lambda: _refused(address, TCP))
    assert greeting(found(stage, DB)[0]) == b"db"


def test_no_question_is_lost_while_the_definition_changes(stage: Stage) -> None:
    stage.apply(definition(NEAR))
    over, answers = Event(), list[str]()

    def run() -> None:
        while not over.is_set():
            answers.extend(found(stage, NEAR))

    asking = Thread(target=run)
    asking.start()
    try:
        for backends in ((NEAR, DB), (NEAR, DB, ZOO), (NEAR, FAR), (NEAR,)):
            stage.apply(definition(*backends))
    finally:
        over.set()
        asking.join()
    assert len(answers) > 10
    assert len(set(answers)) == 1


def test_what_is_asked_at_an_address_stays_with_its_service_where_the_mesh_lets_requests_out(stage: Stage) -> None:
    stage.apply(definition(egress="ALLOW_ALL"))
    (address,) = found(stage, NEAR)
    assert ask(address, HTTP, f"localhost:{HTTP}").by == "near"
    assert stage.ask("front", f"{address}:{HTTP}").by == "near", "an address is a host that is called, like any other"


def _ipv6() -> bool:
    with closing(socket.socket(socket.AF_INET6)) as probe:
        try:
            probe.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND, which Python does not name
            probe.bind(("fd00::1", 0))
        except OSError:
            return False
    return True


@pytest.mark.skipif(not _ipv6(), reason="this machine has no IPv6")
def test_a_mesh_that_asks_for_ipv6_has_addresses_of_both_families(stage: Stage) -> None:
    stage.apply(definition(ip="IPv6_PREFERRED"))
    (four,), (six,) = found(stage, NEAR), found(stage, NEAR, "AAAA")
    assert ip_address(six) in ip_network("fd00::/8")
    assert six.endswith("{:x}:{:x}".format(*(int.from_bytes(ip_address(four).packed[i : i + 2]) for i in (0, 2))))
    assert ask(four, HTTP, NEAR).by == "near"
    bound = {said["name"]: said["address"]["socket_address"]["address"] for said in _listeners(stage)}
    assert (bound[f"outbound/vip/{NEAR}/{HTTP}"], bound[f"outbound/vip6/{NEAR}/{HTTP}"]) == (four, six)


ALONE = ["unshare", "--map-root-user", "--net"]


def _alone() -> bool:
    """Whether a network of our own can be told that a whole range is here."""
    if not all(map(shutil.which, ("unshare", "ip"))):
        return False
    told = ["sh", "-c", "ip link set lo up && ip -6 route add local fd00::/8 dev lo"]
    return subprocess.run([*ALONE, *told], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _alone(), reason="IPv6 cannot be routed in a network of our own")
def test_services_are_reached_at_ipv6_addresses_where_a_host_takes_the_range_for_its_own() -> None:
    done = subprocess.run(
        [*ALONE, sys.executable, "-m", "tests.contract.envoy.sixing"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "IPv6_ONLY": {"A": ["127.143.182.154"], "http": "near", "tcp": ["db", "zoo"], "other": "near"},
        "IPv4_PREFERRED": {"A": ["127.143.182.154"], "http": "near", "tcp": ["db", "zoo"], "other": "near"},
    }


def test_a_host_without_ipv6_has_names_and_addresses_of_ipv4() -> None:
    """Its Envoy says so; what names are answered for AAAA then is the host's to say, and it denies them."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.contract.envoy.without_six"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    for preference, refused in (("unsaid", {"dns"}), ("IPv6_PREFERRED", {"dns", "vip6"})):
        words = [each.removeprefix("front: Error adding/updating listener(s) ") for each in said[preference]["refused"]]
        told = dict(line.split(": ", 1) for each in words for line in each.splitlines())
        assert {name.split("/")[1] if "/" in name else name for name in told} == refused
        assert all(is_without_six("lds", name, message) for name, message in told.items())
        assert {**said[preference], "refused": 0} == {"refused": 0, "http": "near", "tcp": "db", "AAAA": 3}


def _listeners(stage: Stage) -> Iterator[Any]:
    for part in stage.dump("front"):
        for each in part.get("dynamic_listeners", ()):
            if "address" in each["active_state"]["listener"]:
                yield each["active_state"]["listener"]


def _refused(address: str, port: int) -> bool:
    try:
        with connected(address, port):
            return False
    except ConnectionRefusedError:
        return True
