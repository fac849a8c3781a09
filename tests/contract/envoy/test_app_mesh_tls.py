"""App Mesh's own TLS between real Envoys, in one cluster and across two: whose certificates count, and when none do.

`front` (east) calls `colors.local`, played by `near` (east) or `far` (west). An application sees who its caller has
shown to be (XFCC): the mesh's own identity, or a policy's certificate where the server demands one. `By`, whom the
server has shown to be, stands before it in the mesh's own TLS only: App Mesh's certificates hold no identity.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest

from isthmus.model.definition import Definition
from isthmus.xds import names
from isthmus.xds.snapshot import Resource, Type
from tests import build
from tests.contract.envoy.asking import Answer, connected, received
from tests.contract.envoy.authorities import Authority, put
from tests.contract.envoy.stage import GRPC, HTTP, HTTP2, TCP, Instance, Stage
from tests.contract.envoy.tenants_sds import TenantsSds
from tests.until import until

Json = Any
OURS, THEIRS = Authority("ours"), Authority("theirs")
ARN = "arn:aws:acm:us-east-1:111122223333:certificate/server"
CA, OTHER_CA = (f"arn:aws:acm-pca:us-east-1:111122223333:certificate-authority/{name}" for name in ("ours", "theirs"))
NAME, CLIENT = "colors.example", "spiffe://ours/front"
REQUESTS = {HTTP: "http", HTTP2: "http2", GRPC: "grpc"}
PORTS = {**REQUESTS, TCP: "tcp"}
SERVICE, RAW = build.SERVICE, "raw.local"
TARGET = {"near": "east", "far": "west"}


class Playing:
    """A stage, with certificates of every source."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sds = TenantsSds(folder / "sds.sock")
        self.stage = Stage(
            Instance("front"), Instance("near"), Instance("far", cluster="west"), sds=folder / "sds.sock"
        )
        server, client = OURS.issue(NAME), OURS.issue(CLIENT, "front.example")
        for name, pair in (("server", server), ("client", client), ("stranger", THEIRS.issue(CLIENT))):
            pair.write(folder, name)
            self.sds.give(pair.secret(name))
        for name, authority in (("ours", OURS), ("theirs", THEIRS)):
            put(folder / f"{name}-ca.pem", authority.pem)
            self.sds.give(authority.secret(f"{name}-ca"))
        both = OURS.secret(names.authority(*sorted((CA, OTHER_CA))))
        both.validation_context.trusted_ca.inline_bytes += THEIRS.pem
        for secret in (server.secret(names.certificate(ARN)), OURS.secret(names.authority(CA)), both):
            body = secret.SerializeToString(deterministic=True)
            self.stage.managed[secret.name] = Resource(Type.SECRET, secret.name, body)

    def shown(self, source: str, who: str = "server") -> Json:
        """A certificate."""
        chain, key = (str(self.folder / f"{who}.{end}") for end in ("pem", "key"))
        return {
            "file": {"file": {"certificateChain": chain, "privateKey": key}},
            "sds": {"sds": {"secretName": who}},
            "acm": {"acm": {"certificateArn": ARN}},
        }[source]

    def trust(self, source: str, whom: str = "ours") -> Json:
        """Roots."""
        return {
            "file": {"file": {"certificateChain": str(self.folder / f"{whom}-ca.pem")}},
            "sds": {"sds": {"secretName": f"{whom}-ca"}},
            "acm": {"acm": {"certificateAuthorityArns": [CA]}},
            "both": {"acm": {"certificateAuthorityArns": [OTHER_CA, CA]}},
        }[source]

    def listener(self, mode: str = "STRICT", source: str = "file", **validation: Json) -> Json:
        """TLS of a listener."""
        return {"mode": mode, "certificate": self.shown(source)} | ({"validation": validation} if validation else {})

    def policy(
        self,
        source: str = "file",
        *,
        whom: str = "ours",
        names: Sequence[str] = (NAME,),
        client: str = "",
        **also: Json,
    ) -> Json:
        """A client policy; `also`: `enforce`, `ports`."""
        validation = {"trust": self.trust(source, whom)} | (_names(*names) if names else {})
        shown = {"certificate": self.shown(source if source in ("file", "sds") else "file", client)} if client else {}
        return {"tls": {"validation": validation} | shown | also}


def _names(*listed: str) -> Json:
    return {"subjectAlternativeNames": {"match": {"exact": list(listed)}}}


def definition(
    at: str,
    tls: Json = None,
    policy: Json = None,
    *,
    own: Json = None,
    transport: str = "permissive",
    discovery: Json = None,
) -> Definition:
    """`front` calls `colors.local` (requests) and `raw.local` (connections), which are one node of that name.

    `tls`: of its listeners. `policy`: the caller's default; `own`: for `colors.local` alone.
    """
    found: Json = {"serviceDiscovery": {"dns": {"hostname": discovery}}} if discovery else {}
    defaults = {"backendDefaults": {"clientPolicy": policy}} if policy is not None else {}
    services = [{"virtualServiceName": SERVICE} | ({"clientPolicy": own} if own is not None else {})]
    backends = [{"virtualService": each} for each in (*services, {"virtualServiceName": RAW})]
    front = {"listeners": [{"portMapping": {"port": HTTP, "protocol": "http"}}], "backends": backends}
    target = build.node(at, ports=PORTS, listener={"tls": tls} if tls else None, **found)
    other = next(name for name in TARGET if name != at)
    return build.definition(
        *(build.attachment(cluster) for cluster in ("east", "west")),
        build.document("VirtualNode", "front", front | defaults),
        target,
        build.node(other, ports=PORTS),
        *(build.placement(node, cluster) for node, cluster in TARGET.items()),
        build.router(ports=REQUESTS),
        build.router("raw", port=TCP, protocol="tcp"),
        *(
            build.route(p, protocol=p, match={"port": port}, targets=[{"virtualNode": at, "port": port, "weight": 1}])
            for port, p in REQUESTS.items()
        ),
        build.route("raw", router="raw", protocol="tcp", targets=[{"virtualNode": at, "port": TCP, "weight": 1}]),
        build.service(router=build.ROUTER),
        build.service(RAW, router="raw"),
        settings={"transport": transport},
    )


@pytest.fixture(scope="module")
def playing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playing]:
    made = Playing(tmp_path_factory.mktemp("tls"))
    try:
        yield made
        assert made.stage.ads.refused == []
    finally:
        made.stage.stop()
        made.sds.stop()


def asked(playing: Playing, port: int = HTTP) -> Answer:
    return playing.stage.ask("front", f"{SERVICE}:{port}")


WRITTEN = "in App Mesh's TLS"
"""By whom a call is that shows the caller's own identity to a certificate that was written."""


def caller(playing: Playing) -> str:
    """Who the application takes its caller for; the status if it is not reached."""
    answer = asked(playing)
    if answer.status != 200:
        return str(answer.status)
    said = str(answer.said["headers"].get("x-forwarded-client-cert", "nobody"))
    return WRITTEN if said.startswith("Hash=") and said.endswith(f";{mesh_identity(playing)}") else said


def greeted(playing: Playing) -> str:
    """Who greets on a new connection."""
    with connected(playing.stage.addresses["front"], TCP) as connection:
        return received(connection).decode().strip()


@pytest.mark.parametrize("source", ["file", "sds", "acm"])
@pytest.mark.parametrize("at", TARGET)
def test_an_enforced_policy_is_met_by_a_certificate_of_any_source(playing: Playing, at: str, source: str) -> None:
    playing.stage.apply(definition(at, playing.listener(source=source), playing.policy(source)))
    assert (caller(playing), asked(playing, HTTP2).status) == (WRITTEN, 200)
    reply = playing.stage.call("front", f"{SERVICE}:{GRPC}", "/a.B/c")
    assert (reply.code, reply.said["app"]) == (grpc.StatusCode.OK, at)
    assert greeted(playing) == at


def mesh_identity(playing: Playing) -> str:
    return f"URI=spiffe://{playing.stage.domains['east'].name}/mesh/shop/node/front"


REFUSED = "503"
"""What a caller hears of its own proxy, whoever of both did not like the other."""


@pytest.mark.parametrize("transport", ["permissive", "strict"])
@pytest.mark.parametrize("at", TARGET)
def test_what_a_policy_demands_is_what_counts(playing: Playing, at: str, transport: str) -> None:
    server, heard = playing.listener(), {}
    for why, tls, policy in (
        ("no policy: the mesh's own", server, None),
        ("enforced", server, playing.policy()),
        ("not enforced: the mesh's own", server, playing.policy(enforce=False)),
        ("enforced for another port", server, playing.policy(ports=[HTTP2])),
        ("enforced for this port", server, playing.policy(ports=[HTTP])),
        ("another authority", server, playing.policy(whom="theirs")),
        ("another name", server, playing.policy(names=("other.example",))),
        ("one name of several", server, playing.policy(names=("other.example", NAME))),
        ("both authorities", server, playing.policy("both")),
        ("a server without tls", None, playing.policy()),
        ("a server with tls disabled", playing.listener("DISABLED"), playing.policy()),
    ):
        playing.stage.apply(definition(at, tls, policy, transport=transport))
        heard[why] = caller(playing).split(";")[-1]
    mine = mesh_identity(playing)
    assert heard == {
        "no policy: the mesh's own": mine,
        "enforced": WRITTEN,
        "not enforced: the mesh's own": mine,
        "enforced for another port": mine,
        "enforced for this port": WRITTEN,
        "another authority": REFUSED,
        "another name": REFUSED,
        "one name of several": WRITTEN,
        "both authorities": WRITTEN,
        "a server without tls": REFUSED,
        "a server with tls disabled": REFUSED,
    }


@pytest.mark.parametrize("at", TARGET)
def test_without_names_a_certificate_must_be_for_the_name_that_a_node_is_found_by(playing: Playing, at: str) -> None:
    policy = playing.policy(names=())
    for discovery, expected in ((NAME, WRITTEN), ("other.example", REFUSED), (None, REFUSED)):
        playing.stage.apply(definition(at, playing.listener(), policy, discovery=discovery))
        assert caller(playing) == expected, discovery


@pytest.mark.parametrize("source", ["file", "sds"])
@pytest.mark.parametrize("at", TARGET)
def test_a_server_that_validates_lets_in_whoever_has_the_certificate(playing: Playing, at: str, source: str) -> None:
    trust = playing.trust(source)
    server = playing.listener(source=source, trust=trust, **_names(CLIENT))
    other = playing.listener(source=source, trust=trust, **_names("spiffe://ours/other"))
    heard = {}
    for why, tls, policy in (
        ("as demanded", server, playing.policy(source, client="client")),
        ("not enforced, but demanded", server, playing.policy(source, client="client", enforce=False)),
        ("a policy without a certificate", server, playing.policy(source)),
        ("another authority's certificate", server, playing.policy(source, client="stranger")),
        ("another name", other, playing.policy(source, client="client")),
        ("no policy", server, None),
    ):
        playing.stage.apply(definition(at, tls, policy))
        heard[why] = caller(playing).partition(";")[2] or caller(playing), asked(playing, HTTP2).status
    passed = f"URI={CLIENT};DNS=front.example"
    assert heard == {
        "as demanded": (passed, 200),
        "not enforced, but demanded": (passed, 200),
        "a policy without a certificate": (REFUSED, 503),
        "another authority's certificate": (REFUSED, 503),
        "another name": (REFUSED, 503),
        "no policy": (REFUSED, 503),
    }


@pytest.mark.parametrize("at", TARGET)
def test_connections_too_are_for_those_with_the_certificate_only(playing: Playing, at: str) -> None:
    server = playing.listener(trust=playing.trust("file"), **_names(CLIENT))
    for policy, expected in ((playing.policy(client="client"), at), (playing.policy(), ""), (None, "")):
        playing.stage.apply(definition(at, server, policy))
        assert greeted(playing) == expected


def test_a_wildcard_counts_where_tls_is_not_enforced(playing: Playing) -> None:
    server = playing.listener(trust=playing.trust("file"))
    for names_said, enforce, expected in (
        (("*.example",), False, "URI"),
        (("*.other",), False, REFUSED),
        (("*.example",), True, REFUSED),
    ):
        policy = playing.policy(client="client", names=names_said, enforce=enforce)
        playing.stage.apply(definition("near", server, policy))
        assert expected in caller(playing), names_said


@pytest.mark.parametrize("at", TARGET)
def test_a_backends_own_policy_stands_instead_of_the_default(playing: Playing, at: str) -> None:
    right, wrong, server = playing.policy(), playing.policy(whom="theirs"), playing.listener()
    for default, own, expected in (
        (wrong, right, (WRITTEN, "")),
        (right, wrong, (REFUSED, at)),
        (wrong, {}, (mesh_identity(playing), "")),
        (None, right, (WRITTEN, at)),
    ):
        playing.stage.apply(definition(at, server, default, own=own))
        assert (caller(playing).split(";")[-1], greeted(playing)) == expected


def test_a_certificate_that_is_renamed_into_place_is_shown_without_a_revision(playing: Playing) -> None:
    playing.stage.apply(definition("near", playing.listener(), playing.policy()))
    drained = playing.stage.envoys["near"].stats("listener_manager.listener_modified")
    assert caller(playing) == WRITTEN
    try:
        OURS.issue("renamed.example").write(playing.folder, "server")
        assert caller(playing) == WRITTEN, "a connection that stands"
        playing.stage.apply(definition("near", playing.listener(), playing.policy(names=("renamed.example",))))
        until(lambda: caller(playing) == WRITTEN)
    finally:
        OURS.issue(NAME).write(playing.folder, "server")
    playing.stage.apply(definition("near", playing.listener(), playing.policy()))
    until(lambda: caller(playing) == WRITTEN)
    assert playing.stage.envoys["near"].stats("listener_manager.listener_modified") == drained


def test_a_root_that_is_taken_away_counts_at_the_next_connection(playing: Playing) -> None:
    playing.stage.apply(definition("near", playing.listener(), playing.policy()))
    with_it = playing.stage.envoys["front"].stats("ssl.fail_verify_error")
    assert greeted(playing) == "near"
    try:
        put(playing.folder / "ours-ca.pem", THEIRS.pem)
        until(lambda: greeted(playing) == "")
    finally:
        put(playing.folder / "ours-ca.pem", OURS.pem)
    until(lambda: greeted(playing) == "near")
    assert playing.stage.envoys["front"].stats("ssl.fail_verify_error") != with_it


def test_what_the_tenants_own_sds_says_anew_counts(playing: Playing) -> None:
    playing.stage.apply(definition("near", playing.listener(source="sds"), playing.policy("sds")))
    assert greeted(playing) == "near"
    playing.sds.give(OURS.issue("other.example").secret("server"))
    until(lambda: greeted(playing) == "")
    playing.sds.give(OURS.issue(NAME).secret("server"))
    until(lambda: greeted(playing) == "near")
