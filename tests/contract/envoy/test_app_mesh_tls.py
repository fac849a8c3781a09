"""App Mesh's own TLS between real Envoys, in one cluster and across two: whose certificates count, and when none do.

`front` (east) calls `colors.local`, played by `near` (east) or `far` (west). An application sees who its caller has
shown to be (XFCC): nobody in App Mesh's TLS without a client's certificate, the mesh's own identity in the mesh's.
"""

from collections.abc import Iterator, Mapping
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
PORTS = {HTTP: "http", HTTP2: "http2", GRPC: "grpc", TCP: "tcp"}
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
        self, source: str = "file", *, whom: str = "ours", names: Any = (NAME,), client: str = "", **also: Json
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
    found = {"serviceDiscovery": {"dns": {"hostname": discovery}}} if discovery else {}
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
        build.router(ports=PORTS),
        *(
            build.route(p, protocol=p, match={"port": port}, targets=[{"virtualNode": at, "port": port, "weight": 1}])
            for port, p in PORTS.items()
        ),
        build.service(router=build.ROUTER),
        build.service(RAW, router=build.ROUTER),
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


def caller(playing: Playing, port: int = HTTP) -> str:
    """Who the application takes its caller for; the status if it is not reached."""
    answer = asked(playing, port)
    return (
        str(answer.said["headers"].get("x-forwarded-client-cert", "nobody"))
        if answer.status == 200
        else str(answer.status)
    )


def greeted(playing: Playing) -> str:
    """Who greets on a new connection."""
    with connected(playing.stage.addresses["front"], TCP) as connection:
        return received(connection).decode().strip()


@pytest.mark.parametrize("source", ["file", "sds", "acm"])
@pytest.mark.parametrize("at", TARGET)
def test_an_enforced_policy_is_met_by_a_certificate_of_any_source(playing: Playing, at: str, source: str) -> None:
    playing.stage.apply(definition(at, playing.listener(source=source), playing.policy(source)))
    assert {port: caller(playing, port) for port in (HTTP, HTTP2)} == {HTTP: "nobody", HTTP2: "nobody"}
    reply = playing.stage.call("front", f"{SERVICE}:{GRPC}", "/a.B/c")
    assert (reply.code, reply.said["app"]) == (grpc.StatusCode.OK, at)
    assert greeted(playing) == at
