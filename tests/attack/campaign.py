"""campaign: many forgeries of real requests against the real API, counted by class, with honest requests in between.

Every request would have been accepted as boto3 made it, and most would have changed something: what stands in the
store is compared after each refusal. The same code runs 1,000 forgeries in `make test` and 10,000 in `make soak`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count, cycle
from random import Random
from typing import Any

import psycopg

from isthmus.store import tables
from isthmus.store.access_keys import AccessKeys
from tests.attack.forging import FORGERIES, Forger, Keys
from tests.attack.passing import NEUTRAL
from tests.attack.signing import Answer, Boto3, Line, Request
from tests.contract.appmesh.conftest import Installation, Tenant, client, key_of, new_tenant

MIXED_IN = 8
"""One honest request to so many forgeries (testing.md: at least 10 %)."""
SECOND, THIRD = 0.3, 0.1
"""How often a forgery is forged again."""
STATUSES = frozenset({400, 403, 404, 405, 413, 415})
ROOT = "/v20190125/"
MESH = {"meshName": "m/1 *"}
"""A name that is escaped in a path, so that there is something to spell otherwise."""
Json = Any


@dataclass
class Tally:
    """What was sent and what came of it."""

    seed: int
    forged: Counter[str] = field(default_factory=Counter)
    honest: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    """Of both kinds: no forgery may be in it, and all that is honest must."""
    errors: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """What did not hold, with the request."""

    @property
    def held(self) -> bool:
        """Whether every class had cases, and each was answered as it must be."""
        whole = all(self.forged[name] for name in FORGERIES) and all(self.honest[name] for name in NEUTRAL)
        return whole and not self.wrong and self.accepted == self.honest

    @property
    def report(self) -> str:
        """Both counts of each class."""
        bad = sum(self.accepted[name] for name in self.forged)
        good = sum(self.accepted[name] for name in self.honest)
        lines = [
            f"seed {self.seed}: accepted {bad} of {self.forged.total()} forged, {good} of {self.honest.total()} honest",
            *(f"  forged: {name:24} {self.accepted[name]:6} of {self.forged[name]:6} accepted" for name in FORGERIES),
            *(f"  honest: {name:24} {self.accepted[name]:6} of {self.honest[name]:6} accepted" for name in NEUTRAL),
        ]
        lines.append("  refused as " + ", ".join(f"{name} {n}" for name, n in self.errors.most_common()))
        return "\n".join(lines + self.wrong[:10])


class Shop:
    """A tenant with something of everything, whose requests are worth forging."""

    def __init__(self, installation: Installation, tenant: Tenant, keys: Keys) -> None:
        self._boto3, self._numbers = Boto3(installation, keys.mine), count(1)
        self._client, self._owner = client(installation, keys.mine), tenant.account
        made = self._client.create_mesh(**MESH, tags=[{"key": "k", "value": "0"}])
        self._arn = made["mesh"]["metadata"]["arn"]
        self._client.create_virtual_node(**self._node("n/ü"), spec=_spec(1))
        self._client.create_virtual_node(**self._node("other"), spec={})
        self.mend()

    @staticmethod
    def _node(name: str) -> Json:
        return MESH | {"virtualNodeName": name}

    def mend(self) -> None:
        """Make again what an honest deletion took away."""
        self._client.create_virtual_node(**self._node("doomed"), spec={})

    def requests(self) -> Iterator[Request]:
        """Requests that would be accepted now, each operation in turn."""
        for operation, params in cycle(self._operations().items()):
            yield self._boto3.request(operation, **params(next(self._numbers)))

    def _operations(self) -> Mapping[str, Callable[[int], Json]]:
        owner = {"meshOwner": self._owner}
        return {
            "list_meshes": lambda _: {"limit": 5},
            "create_virtual_node": lambda n: {**self._node(f"new-{n}"), **owner, "spec": _spec(n)},
            "describe_virtual_node": lambda _: self._node("n/ü") | owner,
            "tag_resource": lambda n: {"resourceArn": self._arn, "tags": [{"key": "k", "value": str(n)}]},
            "list_virtual_nodes": lambda _: MESH | {"limit": 1} | owner,
            "update_virtual_node": lambda n: {**self._node("n/ü"), "spec": _spec(n)},
            "list_tags_for_resource": lambda _: {"resourceArn": self._arn, "limit": 10},
            "delete_virtual_node": lambda _: self._node("doomed"),
            "describe_mesh": lambda _: MESH,
            "update_mesh": lambda n: MESH | {"spec": {"egressFilter": {"type": ("ALLOW_ALL", "DROP_ALL")[n % 2]}}},
            "untag_resource": lambda _: {"resourceArn": self._arn, "tagKeys": ["k"]},
        }


def _spec(number: int) -> Json:
    listener = {"portMapping": {"port": number % 65535 + 1, "protocol": "http"}}
    return {"listeners": [listener], "serviceDiscovery": {"dns": {"hostname": "n.local"}}}


def keys_of(installation: Installation, tenant: Tenant) -> Keys:
    """A tenant's keys, one in use and two that were, and another tenant's."""
    stranger = new_tenant(installation)
    mine, deactivated, deleted = (key_of(installation, tenant) for _ in range(3))
    with installation.database.tenant(tenant.org) as session:
        AccessKeys(session, tenant.org, installation.sealer).deactivate(deactivated.id)
        session.delete(session.get_one(tables.AccessKey, (tenant.org, deleted.id)))
    return Keys(mine, key_of(installation, stranger), deactivated, deleted)


def campaign(installation: Installation, forgeries: int, seed: int) -> Tally:
    """Send them all."""
    random, tenant = Random(seed), new_tenant(installation)
    keys = keys_of(installation, tenant)
    shop, tally = Shop(installation, tenant, keys), Tally(seed)
    with installation.copy.connect() as admin, Line(installation.url) as line:
        attack = _Campaign(Forger(random, keys), shop, tally, line, admin)
        forged, honest = cycle(FORGERIES), cycle(NEUTRAL)
        plan = [True] * forgeries + [False] * (forgeries // MIXED_IN)
        random.shuffle(plan)
        for bad in plan:
            if bad:
                attack.forge(next(forged))
            else:
                attack.pass_on(next(honest))
    return tally


class _Campaign:
    def __init__(self, forger: Forger, shop: Shop, tally: Tally, line: Line, admin: psycopg.Connection) -> None:
        self._forger, self._shop, self._tally, self._line, self._admin = forger, shop, tally, line, admin
        self._requests = shop.requests()
        self._standing = self._state()

    def forge(self, name: str) -> None:
        """One forgery of a class, maybe forged again: refused in AWS's words, and nothing has changed."""
        request = self._forged(name)
        answer = self._line.send(request)
        self._tally.forged[name] += 1
        self._tally.errors[answer.error or str(answer.status)] += 1
        if answer.status == 200:
            self._tally.accepted[name] += 1
        if not _refused(request, answer):
            self._tally.wrong.append(f"{name}: {answer.status} {answer.error} to {request.wire!r}")
        if (now := self._state()) != self._standing:
            self._tally.wrong.append(f"{name}: changed something: {request.wire!r}")
            self._standing = now

    def pass_on(self, name: str) -> None:
        """One honest request, changed at most as a proxy may: accepted."""
        while (request := NEUTRAL[name](self._forger, next(self._requests))) is None:
            pass
        answer = self._line.send(request)
        self._tally.honest[name] += 1
        if answer.status == 200:
            self._tally.accepted[name] += 1
        else:
            self._tally.wrong.append(f"{name}: {answer.status} {answer.body!r} to {request.wire!r}")
        if request.method == "DELETE":
            self._shop.mend()
        self._standing = self._state()

    def _forged(self, name: str) -> Request:
        """Drawn again until its bytes are others than were signed."""
        while True:
            honest = next(self._requests)
            request = FORGERIES[name](self._forger, honest)
            for again in (SECOND, THIRD):
                if request is not None and self._forger.random.random() < again:
                    more = self._forger.random.choice([other for other in FORGERIES if other != name])
                    request = FORGERIES[more](self._forger, request) or request
            if request is not None and request.wire != honest.wire:
                return request

    def _state(self) -> Json:
        return self._admin.execute(
            "SELECT (SELECT count(*) FROM revisions), (SELECT sum(head) FROM meshes), (SELECT count(*) FROM meshes),"
            " (SELECT count(*) FROM idempotency_keys)"
        ).fetchone()


def _refused(request: Request, answer: Answer) -> bool:
    """In AWS's words; a path beside App Mesh's is another application's, and only not there."""
    if not request.path.startswith(ROOT):
        return answer.status == 404
    return answer.status in STATUSES and answer.error.endswith("Exception")
