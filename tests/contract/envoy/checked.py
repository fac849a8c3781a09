"""checked: applications that are asked whether they are well, apart from their other requests; and hurried clocks.

App Mesh's shortest interval is 5 s. A hurried stage gives Envoys a twentieth of each interval, all else as compiled.
"""

from collections.abc import Mapping
from typing import Any

import grpc
from envoy.config.cluster.v3 import cluster_pb2
from google.protobuf.duration_pb2 import Duration

from isthmus.xds.snapshot import Resource, Type
from tests.contract.envoy.applications import LONGEST, App, Asked, Does, GrpcApp
from tests.contract.envoy.h2 import H2App
from tests.contract.envoy.stage import Stage

Json = Any
PING = "/ping"
CALLER = "x-forwarded-client-cert"
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"
"""grpc.health.v1.HealthCheckResponse."""


class Checked(App):
    """HTTP/1.1, with an answer of its own to PING: what it `feels` next, once each, or else how it `is`."""

    def __init__(self, *at: Any) -> None:  # noqa: ANN401 - as the class behind it
        self.pings: list[Asked] = []
        self.feels: list[Does] = []
        self.is_ = Does()
        super().__init__(*at)

    def do(self, asked: Asked) -> Does:
        """Pings are not among what it is `asked`."""
        if asked.path != PING:
            return super().do(asked)
        self.pings.append(asked)
        does = self.feels.pop() if self.feels else self.is_
        if does.hangs:
            self._let_go.wait(LONGEST)
        return does

    def forget(self) -> None:
        """As it was in the beginning."""
        self.pings, self.feels, self.is_ = [], [], Does()
        super().forget()

    def askers(self) -> set[str]:
        """Who pinged: identities, and `` for one that showed none: its own proxy, or a caller without mutual TLS."""
        return {ping.headers.get(CALLER, "").rpartition("URI=")[2] for ping in self.pings}


class CheckedH2(Checked, H2App):
    """The same in HTTP/2."""


class CheckedGrpc(GrpcApp):
    """gRPC with the health service that gRPC knows: `status` other than 0 is NOT_SERVING."""

    def __init__(self, name: str, address: str, port: int) -> None:
        self.pings: list[Asked] = []
        self.is_ = Does()
        super().__init__(name, address, port)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Every method is the same but one."""
        if handler_call_details.method != "/grpc.health.v1.Health/Check":
            return super().service(handler_call_details)
        headers = {k: v for k, v in handler_call_details.invocation_metadata if isinstance(v, str)}

        def answer(body: bytes, context: grpc.ServicerContext) -> bytes:
            self.pings.append(Asked("POST", handler_call_details.method, headers, body))
            return NOT_SERVING if self.is_.status else SERVING

        return grpc.unary_unary_rpc_method_handler(answer)


class Hurried(Stage):
    """Health checks twenty times as often."""

    def resources(self, proxy: str) -> list[Resource]:
        """All that one Envoy is to have, hurried."""
        return [_hurried(r) if r.type == Type.CLUSTER else r for r in super().resources(proxy)]

    def feelings(self, proxy: str, cluster: str) -> Mapping[str, str]:
        """What an Envoy thinks of each host of a cluster: `healthy`, or what is wrong."""
        said = (line.split("::") for line in self.envoys[proxy].admin("/clusters").decode().splitlines())
        return {s[1].rpartition(":")[0]: s[3] for s in said if s[0] == cluster and s[2:3] == ["health_flags"]}


def _hurried(resource: Resource) -> Resource:
    message = cluster_pb2.Cluster.FromString(resource.body)
    for check in message.health_checks:
        for field in ("interval", "no_traffic_interval", "unhealthy_interval"):
            if check.HasField(field):
                getattr(check, field).CopyFrom(_hurry(getattr(check, field)))
    return Resource(resource.type, resource.name, message.SerializeToString(deterministic=True))


def _hurry(lasts: Duration) -> Duration:
    out = Duration()
    out.FromNanoseconds(lasts.ToNanoseconds() // 20)
    return out


def check(protocol: str, **also: Json) -> Json:
    """A listener's health check; an http one of PING."""
    said: Json = {"healthyThreshold": 2, "unhealthyThreshold": 2, "intervalMillis": 5000, "timeoutMillis": 2000}
    path = {"path": PING} if protocol in ("http", "http2") else {}
    return {"healthCheck": said | {"protocol": protocol} | path | also}
