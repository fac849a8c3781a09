"""scenes: what the behaviour tests have in common: `front` and a gateway call `colors.local`, played by blue and green.

Requests say what they are for beside what is expected of them; a match is shown by a pair of requests that differ in
one point only, of which one must end at `green` and the other at `blue`, to which everything else goes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isthmus.model.definition import Definition
from isthmus.model.document import Document
from tests import build
from tests.contract.envoy.asking import Answer, Reply
from tests.contract.envoy.stage import DOOR, GRPC, HTTP, HTTP2, Stage

Json = Any
PORT = {"http": HTTP, "http2": HTTP2, "grpc": GRPC}
TARGETS = ("blue", "green")
REST = 1000
"""The priority of the route to `blue`, which takes what no other takes."""


@dataclass(frozen=True)
class Request:
    """A request. `host`: the service's name, where none is said."""

    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    host: str = build.SERVICE

    def sent(self, stage: Stage) -> Answer:
        """By the application `front`."""
        return stage.ask("front", self.host, self.path, self.method, headers=self.headers)

    def entering(self, stage: Stage) -> Answer:
        """From outside, through the gateway."""
        return stage.enter(self.host, self.path, self.method, headers=self.headers)


@dataclass(frozen=True)
class Call:
    """A gRPC call."""

    method: str = "/color.Picker/Pick"
    metadata: tuple[tuple[str, str], ...] = ()
    host: str = build.SERVICE

    def sent(self, stage: Stage) -> Reply:
        """By the application `front`."""
        return stage.call("front", self.host, self.method, metadata=self.metadata)

    def entering(self, stage: Stage) -> Reply:
        """From outside, through the gateway."""
        return stage.enter_call(self.host, self.method, metadata=self.metadata)


def scene(where: str, *more: Document, protocol: str = "http", spec: Json = None) -> Definition:
    """The nodes run in a cluster, and speak one protocol; what the service and the gateway do is for `more` to say.

    A document of `more` replaces the one with its key; `spec` is the mesh's.
    """
    port = PORT[protocol]
    made = [
        build.attachment("east"),
        build.attachment("west"),
        build.node("front", port=port, protocol=protocol, backends=[build.SERVICE]),
        *(build.node(node, port=port, protocol=protocol) for node in TARGETS),
        *(build.placement(node, where) for node in TARGETS),
        build.router(port=port, protocol=protocol),
        build.service(router=build.ROUTER),
        build.gateway(port=DOOR, protocol=protocol),
    ]
    keyed = {each.key: each for each in (*made, *more)}
    return build.definition(*keyed.values(), spec=spec, settings={"transport": "strict"})


def narrow(match: Json, *, router: str = build.ROUTER, protocol: str = "http") -> tuple[Document, Document]:
    """What matches goes to green, the rest to blue."""
    green = build.route("narrow", router=router, targets={"green": 1}, match=match, protocol=protocol, priority=0)
    return green, build.route("rest", router=router, targets={"blue": 1}, protocol=protocol, priority=REST)
