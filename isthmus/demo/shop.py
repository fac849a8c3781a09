"""shop: the demo's shop as its users see it, and what its answers prove about the way they came."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import httpx

REQUEST_SECONDS = 5.0
HTTP_OK = 200


@dataclass(frozen=True, slots=True)
class Peers:
    """One mutually authenticated hop as the server's sidecar saw it: SPIFFE IDs from x-forwarded-client-cert."""

    client: str
    server: str

    @classmethod
    def of(cls, answer: Any) -> Self:  # noqa: ANN401 - JSON
        """From what an application saw. KeyError if its sidecar authenticated nobody."""
        last = answer["headers"]["x-forwarded-client-cert"].rsplit(",", 1)[-1]
        said = dict(part.split("=", 1) for part in last.split(";"))
        return cls(said["URI"].strip('"'), said["By"].strip('"'))


class Shop:
    """The shop behind its virtual gateway, on one kept connection."""

    def __init__(self, ingress: str) -> None:
        self._http = httpx.Client(base_url=ingress, timeout=REQUEST_SECONDS)

    def color(self) -> httpx.Response:
        """The colour itself."""
        return self._http.get("/color")

    def front(self) -> httpx.Response:
        """The front page, which asks for the colour through its sidecar; the answer is `called` in it."""
        return self._http.get("/")

    def close(self) -> None:
        """Give the connection back."""
        self._http.close()


@dataclass(frozen=True, slots=True)
class Sample:
    """What so many requests in a row were answered with."""

    statuses: Counter[int]
    nodes: Counter[str]
    instances: Counter[str]
    clusters: Counter[str]

    def share(self, node: str) -> float:
        """The part of all answers that a node gave."""
        return self.nodes[node] / self.statuses.total()

    @property
    def failed(self) -> int:
        """How many were not 200."""
        return self.statuses.total() - self.statuses[HTTP_OK]


def sample(shop: Shop, count: int) -> Sample:
    """Ask for the colour `count` times. A request that is not answered at all counts as status 0."""
    answers = [_answer(shop) for _ in range(count)]
    good = [body for status, body in answers if status == HTTP_OK]
    said = (Counter(body[key] for body in good) for key in ("node", "instance", "cluster"))
    return Sample(Counter(status for status, _ in answers), *said)


def _answer(shop: Shop) -> tuple[int, Any]:
    try:
        answer = shop.color()
        return answer.status_code, answer.json() if answer.status_code == HTTP_OK else None
    except httpx.HTTPError:
        return 0, None


def weights(blue: int, green: int) -> Sequence[Any]:
    """The route's targets."""
    return [{"virtualNode": "blue", "weight": blue}, {"virtualNode": "green", "weight": green}]
