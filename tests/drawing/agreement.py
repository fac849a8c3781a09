"""agreement: whether what Envoy does with drawn requests is what the matcher says, pair by pair, and what pairs had."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.contract.envoy.echoing import Answer, Echoing, node_at
from tests.drawing.coverage import LEAST
from tests.drawing.matcher import Expected, Request, at_gateway, at_service, ordered, path_of
from tests.drawing.pairs import Scene, Sizes

Json = Any
AT_LEAST = 0.3
"""The share of pairs in which the first route must match, and in which it must not."""
KINDS = (
    *("path prefix", "path exact", "path regex", "host exact", "host suffix", "method", "scheme", "port"),
    *("header exact", "header prefix", "header suffix", "header regex", "header range", "header present", "inverted"),
    *("query exact", "query present", "grpc", "service", "call", "weight 0", "target port"),
    *("host kept", "prefix replaced", "prefix kept", "path replaced", "http/2", "unlike spelling"),
)


@dataclass
class Tally:
    """What came of the pairs."""

    pairs: int = 0
    first: int = 0
    answered: int = 0
    wrong: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def rare(self) -> dict[str, float]:
        """What occurs too seldom in pairs."""
        shares = {kind: self.kinds[kind] / self.pairs for kind in KINDS}
        shares |= {"matched by the first route": self.first / self.pairs + LEAST - AT_LEAST}
        shares |= {"not matched by the first route": 1 - self.first / self.pairs + LEAST - AT_LEAST}
        return {kind: share for kind, share in shares.items() if share < LEAST}

    @property
    def line(self) -> str:
        """Counts, and the least covered."""
        seldom = sorted(KINDS, key=self.kinds.__getitem__)[:6]
        shares = ", ".join(f"{kind} {self.kinds[kind] / self.pairs:.1%}" for kind in seldom)
        counts = (
            f"{self.pairs} pairs, {self.first / self.pairs:.0%} matched by the first route, {self.answered} answered"
        )
        return f"{counts}, {len(self.wrong)} otherwise than the matcher says; the least covered: {shares}"


def compared(echoing: Echoing, seeds: Sequence[int], requests: int, gateways: int) -> Tally:
    """So many requests to the scene of each seed, half of them from outside."""
    tally = Tally()
    for seed in seeds:
        scene = Scene(seed, Sizes(echoing.nodes, gateways=gateways))
        echoing.play(scene.definition(f"marker-{seed}.local"), f"marker-{seed}.local")
        for i in range(requests):
            _pair(scene, echoing, i, f"seed {seed}, request {i}", tally)
    return tally


def _pair(scene: Scene, echoing: Echoing, i: int, called: str, tally: Tally) -> None:
    if i % 2:
        where, request = None, scene.at_service()
        expected = at_service(scene.mesh, request)
    else:
        gateway, port, request = scene.at_gateway()
        where, expected = (int(gateway[1:]), port), at_gateway(scene.mesh, gateway, port, request)
    h2 = i % 4 < 2 and request.scheme == "http"
    answer = echoing.ask(where, request, h2=h2)
    tally.pairs += 1
    tally.first += expected.rank == 0
    tally.answered += answer.status == 200
    tally.kinds.update({*_met(scene, where, request, expected), *(["http/2"] if h2 else [])})
    if not _agrees(scene, expected, answer):
        tally.wrong.append(f"{called}: {request} at {where or 'front'} should be {expected} and was {answer}")


def _agrees(scene: Scene, expected: Expected, answer: Answer) -> bool:
    if expected.status != 200 or answer.status != 200:
        return expected.status == answer.status
    numbers = {node: i for i, node in enumerate(scene.mesh["VirtualNode"])}
    places = {f"{node_at(numbers[node])}:{port}" for node, port in expected.places}
    return answer.at in places and (answer.host, answer.path) == (expected.host, expected.path)


def _met(scene: Scene, where: tuple[int, int] | None, request: Request, expected: Expected) -> Iterator[str]:
    """The kinds of conditions and consequences in the routes that are tried, up to the one that matches."""
    if where is not None:
        routes = ordered(scene.mesh["GatewayRoute"], f"g{where[0]}", where[1], last=False)
    else:
        service = next(
            (s for s in scene.mesh["VirtualService"] if s.lower() == request.host.lower().partition(":")[0]), ""
        )
        router = f"r{service.partition('.')[0][1:]}"
        routes = ordered(scene.mesh["Route"], router, None, last=True)
    tried = routes if expected.rank is None else routes[: expected.rank + 1]
    for kind, route in tried:
        yield from _conditions(kind, route["match"])
        yield from _consequences(route)
    if "//" in request.path or "/." in request.path or "%" in request.path or "A" in request.path:
        yield "unlike spelling"


def _conditions(kind: str, match: Json) -> Iterator[str]:
    yield f"path {path_of(match)[0]}"
    yield from (f"host {how}" for how in match.get("hostname", {}))
    yield from (member for member in ("method", "scheme", "port") if member in match)
    yield from (["grpc"] if kind == "grpcRoute" else [])
    yield from (word for word, member in (("service", "serviceName"), ("call", "methodName")) if member in match)
    for header in (*match.get("headers", ()), *match.get("metadata", ())):
        yield f"header {next(iter(header.get('match', {'present': None})))}"
        yield from (["inverted"] if header.get("invert") else [])
    for query in match.get("queryParameters", ()):
        yield "query exact" if "match" in query else "query present"


def _consequences(route: Json) -> Iterator[str]:
    action = route["action"]
    for target in action.get("weightedTargets", ()):
        yield from (["weight 0"] if target["weight"] == 0 else [])
        yield from (["target port"] if "port" in target else [])
    rewrite = action.get("rewrite", {})
    if rewrite.get("hostname", {}).get("defaultTargetHostname") == "DISABLED":
        yield "host kept"
    if "path" in rewrite:
        yield "path replaced"
    prefix = rewrite.get("prefix", {})
    yield from (["prefix kept"] if prefix.get("defaultPrefix") == "DISABLED" else [])
    yield from (["prefix replaced"] if "value" in prefix else [])
