"""scenario: the questions of the check, each a function that returns its evidence or raises what is wrong.

They ask the shop's users, the API, the Envoys' own admin and the kernel; where two of them speak of the same thing they
must agree. The last question, whether anything is left, is asked when everything has been stopped (`check`).
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from isthmus.demo import evidence, layout
from isthmus.demo.layout import Layout
from isthmus.demo.shop import Peers, Sample, Shop, sample, weights
from isthmus.demo.user import ANY, NEW, User, live
from isthmus.embedded.installation import POSTGRES, VALKEY, Installation, hub_name
from isthmus.embedded.supervisor import Supervisor
from isthmus.embedded.waiting import wait

REQUESTS = 200
LIVE_SECONDS, RESTART_SECONDS, FOLLOW_SECONDS = 20.0, 5.0, 10.0
HALF, TENTH = (0.36, 0.64), (0.81, 0.98)
"""The share of `blue` in 200 answers at weights 50 and 90: four standard deviations to either side."""
CALLING = ("front-1", layout.INGRESS)
"""The proxies that route to the colours."""
ROUTE = f"/meshes/{layout.MESH}/virtual-routers/color/routes"

Evidence = Mapping[str, Any]
T = TypeVar("T")


class Closing(Protocol):
    """Something that is held until the end."""

    def close(self) -> None: ...


class Wrong(Exception):
    """The answer to a question is no."""


@dataclass
class Stage:
    """Everything that the questions are asked of. `revision` is what the API last said of the newest one."""

    user: User
    shop: Shop
    plan: Layout
    installation: Installation
    supervisor: Supervisor
    prove: Callable[[], None]
    held: Sequence[Closing] = ()
    revision: Evidence = field(default_factory=dict)

    def close(self) -> None:
        """Give all connections back."""
        for one in self.held:
            one.close()

    def holds(self, condition: Callable[[], T | None], seconds: float, what: str) -> T:
        """The condition's first true value within `seconds`; Wrong with `what` otherwise."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            demand(time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s")
            wait(self.supervisor, lambda: True)
            time.sleep(0.02)
        return value

    def split(self, blue: int, green: int) -> Evidence:
        """Change the route's weights through the API; the revision, live everywhere."""
        route = self.user.get(f"{ROUTE}/weighted")
        action = route["spec"]["httpRoute"] | {"action": {"weightedTargets": weights(blue, green)}}
        self.user.put(f"{ROUTE}/weighted", {"spec": {"httpRoute": action}}, ANY)
        is_live = live(self.user, layout.MESH, len(self.plan.proxies()))
        self.revision = self.holds(is_live, LIVE_SECONDS, "the change is live on every proxy")
        return self.revision


def demand(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Raise Wrong unless it holds."""
    if not holds:
        raise Wrong(otherwise)


def shares(stage: Stage) -> Evidence:
    """Both targets of a 50/50 route answer, one of them from the other cluster; after 90/10 the share follows."""
    half = sample(stage.shop, REQUESTS)
    _demand_share(half, HALF)
    demand(set(half.clusters) == set(layout.REGIONS), f"both clusters answer: {dict(half.clusters)}")
    green = {name for name, node in layout.INSTANCES["west"] if node == "green"}
    demand(green <= set(half.instances), f"both instances of green answer: {dict(half.instances)}")
    stage.split(90, 10)
    tenth = sample(stage.shop, REQUESTS)
    _demand_share(tenth, TENTH)
    return {"50/50": _counts(half), "90/10": _counts(tenth)}


def identities(stage: Stage) -> Evidence:
    """The server saw the client's SPIFFE ID of the client's trust domain, and the client verified the server's."""
    domains = {name: stage.user.get(f"/clusters/{name}")["trust_domain"] for name in layout.REGIONS}
    called = stage.holds(lambda: _crossed(stage), FOLLOW_SECONDS, "front gets an answer from west")
    seen = Peers.of(called)
    client = f"spiffe://{domains['east']}/mesh/{layout.MESH}/node/front"
    server = f"spiffe://{domains['west']}/mesh/{layout.MESH}/node/green"
    demand(seen == Peers(client, server), f"the server saw {seen}, expected {client} and {server}")
    admin = stage.plan.proxy("front-1").admin
    demand(server in evidence.demanded(admin), "the client's Envoy demands the server's SPIFFE ID")
    counters = evidence.statistics(admin, r"^cluster\..*ssl\.(handshake|fail_verify.*)$")
    handshakes = sum(n for name, n in counters.items() if name.endswith("handshake"))
    failures = sum(n for name, n in counters.items() if "fail_verify" in name)
    demand(handshakes > 0 == failures, f"{handshakes} handshakes of the client, {failures} failed verifications")
    return {"client": seen.client, "server": seen.server, "handshakes": handshakes, "failed_verifications": failures}


def proven(stage: Stage) -> Evidence:
    """The revision is live on n of n proxies, and each Envoy's own configuration agrees."""
    revision, expected = stage.revision, len(stage.plan.proxies())
    proxies, took = revision["proxies"], revision["commit_to_last_ack_ms"]
    demand(proxies["acked"] == proxies["connected"] == expected, f"live on {expected} of {expected}, but {proxies}")
    demand(took is not None, "the time from commit to the last ACK is known")
    for proxy in stage.plan.proxies():
        unsettled = evidence.unsettled(proxy.admin)
        demand(not unsettled, f"{proxy.name} runs what it was sent: {unsettled}")
    routed = {name: evidence.weights(stage.plan.proxy(name).admin) for name in CALLING}
    agreed = all({"blue": 90, "green": 10} in found for found in routed.values())
    demand(agreed, f"config_dump says 90/10 in {', '.join(CALLING)}, but {routed}")
    return {"revision": revision["number"], "proxies": proxies, "commit_to_last_ack_ms": took, "config_dump": routed}


def stability(stage: Stage) -> Evidence:
    """With the whole control plane killed -9 and kept down, 200 requests succeed and a killed Envoy is back in 5 s."""
    names = control_plane(stage.installation)
    died = {name: pid for name, pid in stage.supervisor.pids().items() if name in names}
    demand(set(died) == set(names), f"all of {', '.join(names)} run")
    stage.supervisor.hold(*names)
    before = _refusals(stage.installation)
    half = sample(stage.shop, REQUESTS // 2)
    back = _restart(stage, "blue-1")
    other = sample(stage.shop, REQUESTS // 2)
    failed = half.failed + other.failed
    demand(not failed, f"{failed} of {REQUESTS} requests failed: {dict(half.statuses + other.statuses)}")
    after = _refusals(stage.installation)
    demand(not evidence.running(died.values()), "what was killed stays dead")
    counts = {"requests": REQUESTS, "failed": failed, "envoy_back_after_s": round(back, 2)}
    return counts | {"killed": died, "refused_before": before, "refused_after": after}


def comeback(stage: Stage) -> Evidence:
    """The control plane comes back on the same data, and a further change gets through."""
    head = stage.revision["number"]
    stage.supervisor.release(*control_plane(stage.installation))
    begin = time.monotonic()
    wait(stage.supervisor, stage.supervisor.ready)
    stage.prove()
    back = time.monotonic() - begin
    revision = stage.split(50, 50)
    demand(revision["number"] == head + 1, f"revision {head + 1} follows {head}, not {revision['number']}")
    half = sample(stage.shop, REQUESTS)
    _demand_share(half, HALF)
    took = revision["commit_to_last_ack_ms"]
    return {"back_after_s": round(back, 2), "revision": head + 1, "commit_to_last_ack_ms": took, "50/50": _counts(half)}


def refusal(stage: Stage) -> Evidence:
    """A regex that Envoy refuses is refused before it reaches a proxy, with the resource and the field named."""
    match = {"prefix": "/", "headers": [{"name": "x-tier", "match": {"regex": "(?=gold)"}}]}
    route = {"match": match, "action": {"weightedTargets": weights(50, 50)}}
    path = f"{ROUTE}/lookahead"
    answer = stage.user.ask("PUT", path, {"spec": {"httpRoute": route}}, NEW)
    problem = answer.json()
    pointers = [error["pointer"] for error in problem.get("errors", [])]
    demand(400 <= answer.status_code < 500, f"it is refused, not {answer.status_code}")  # noqa: PLR2004 - HTTP's
    field_named = any(pointer.endswith("/headers/0/match/regex") for pointer in pointers)
    demand(field_named, f"the field is named: {problem}")
    demand("lookahead" in str(problem), f"the resource is named: {problem}")
    head = stage.user.get(f"/meshes/{layout.MESH}")["meta"]["head"]
    demand(head == stage.revision["number"], f"nothing is stored: the head is {head}")
    demand(not sample(stage.shop, 20).failed, "the shop goes on")
    return {"status": answer.status_code, "errors": problem["errors"], "instance": problem.get("instance", path)}


QUESTIONS: Iterable[tuple[str, Callable[[Stage], Evidence]]] = (
    ("both targets of a weighted route answer, across clusters, and a change of weights is followed", shares),
    ("client and server know each other by the SPIFFE IDs of their own trust domains", identities),
    ("the revision is live on every proxy, and each Envoy's config_dump agrees", proven),
    ("with the control plane killed -9 and kept down every request succeeds and an Envoy restarts", stability),
    ("the control plane comes back on the same data and a further change gets through", comeback),
    ("a regex that Envoy refuses never reaches a proxy; resource and field are named", refusal),
)


def control_plane(installation: Installation) -> tuple[str, ...]:
    """Every process of the control plane: what is killed in `stability`."""
    return ("api", "worker", "beat", "relay", *map(hub_name, installation.regions), VALKEY, POSTGRES)


def _demand_share(sampled: Sample, span: tuple[float, float]) -> None:
    demand(not sampled.failed, f"every request succeeds: {dict(sampled.statuses)}")
    share = sampled.share("blue")
    demand(span[0] <= share <= span[1], f"blue's share is within {span}: {share:.2f}")


def _counts(sampled: Sample) -> Evidence:
    return {"requests": sampled.statuses.total(), "nodes": dict(sampled.nodes), "instances": dict(sampled.instances)}


def _crossed(stage: Stage) -> Any:  # noqa: ANN401 - JSON
    """What green saw of a request of front's, if it was green that answered."""
    answer = stage.shop.front()
    demand(answer.is_success, f"front answers: {answer.status_code} {answer.text}")
    called = answer.json()["called"]
    return called if called["cluster"] == "west" else None


def _restart(stage: Stage, instance: str) -> float:
    """Kill an instance's Envoy -9; seconds until a request is answered by that instance again."""
    proxy = stage.plan.proxy(instance)
    before = stage.supervisor.pids()[proxy.process]
    begin = time.monotonic()
    stage.supervisor.kill(proxy.process)
    anew = lambda: stage.supervisor.pids().get(proxy.process, before) != before  # noqa: E731
    stage.holds(anew, RESTART_SECONDS, f"the Envoy of {instance} is started again")
    serves = lambda: evidence.takes_connections(proxy.admin) and instance in sample(stage.shop, 1).instances  # noqa: E731
    stage.holds(serves, RESTART_SECONDS - (time.monotonic() - begin), f"{instance} serves again")
    return time.monotonic() - begin


def _refusals(installation: Installation) -> list[str]:
    """Every address of the control plane, all of which must refuse."""
    tcp = [f"127.0.0.1:{port}" for port in installation.ports()]
    addresses: list[str | Path] = [*tcp, installation.postgres().socket, installation.valkey().socket]
    taken = [str(address) for address in addresses if not evidence.refused(address)]
    demand(not taken, f"connects are refused, but not at {', '.join(taken)}")
    return [str(address) for address in addresses]
