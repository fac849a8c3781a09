"""editing: random edits of a mesh, one after another, each leaving a definition that the API accepts.

Few names, so that edits meet: what is deleted comes back, targets lose their port, services change hands, two services
differ in case only.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from random import Random

from isthmus.model.check import check
from isthmus.model.definition import Definition
from isthmus.model.document import Document, Key
from isthmus.xds.compile import Compiled, Compiler, Ground, compile_mesh, offline_vips
from isthmus.xds.content import Changed
from tests import build
from tests.golden.cases import surroundings

Edit = Mapping[Key, Document | None]
CLUSTERS = ("east", "west", "north")

NODES = ("blue", "green", "front", "a/b")
SERVICES = ("colors.local", "COLORS.local", "web.local", "un askable")
ROUTERS = ("r1", "r2")
GATEWAYS = ("g1", "g2")
PORTS = (80, 8080, 9090)


def edits(random: Random, steps: int) -> Iterator[tuple[Edit, Definition]]:
    """Edits of one to three documents, each with the definition that it makes; attachments stay as they are."""
    definition = build.mesh(build.attachment("east"), build.attachment("west"))
    while steps:
        edit = dict(_edit(random) for _ in range(random.choice((1, 1, 1, 2, 3))))
        documents = {**definition.documents, **{k: d for k, d in edit.items() if d is not None}}
        after = replace(definition, documents={k: d for k, d in documents.items() if edit.get(k, d) is not None})
        real = {k: d for k, d in edit.items() if definition.documents.get(k) != d}
        if real and not check(after):
            definition, steps = after, steps - 1
            yield real, definition


def edited(seed: int, steps: int) -> int:
    """One sequence, compared after each step; the number of resources that were compiled anew."""
    source = Random(seed)
    cluster = source.choice(CLUSTERS)
    start = build.mesh()
    warm = Compiler(Ground.of(start, surroundings()), cluster)
    warm.change(start.documents, offline_vips(start))
    before, anew = warm.compiled, 0
    for edit, definition in edits(source, steps):
        changed = warm.change(edit, offline_vips(definition))
        after = warm.compiled
        assert after == compile_mesh(definition, surroundings(), cluster), f"seed {seed}: after {edit}"
        says_so(changed, before, after)
        before, anew = after, anew + len(changed.resources)
    return anew


def says_so(changed: Changed, before: Compiled, after: Compiled) -> None:
    """A change names exactly the views that differ and the content that is new."""
    old, new = before.snapshot.manifest.views, after.snapshot.manifest.views
    differing = {view for view in {*old, *new} if old.get(view) != new.get(view)}
    assert changed.views == differing
    fresh = after.snapshot.resources.keys() - before.snapshot.resources.keys()
    assert {r.ref.version for r in changed.resources} == fresh
    assert changed.version == after.snapshot.manifest.version


def _edit(random: Random) -> tuple[Key, Document | None]:
    made = random.choice(_MAKERS)(random)
    return made.key, made if random.random() < 0.75 else None


def _ports(random: Random) -> Mapping[int, str]:
    chosen = random.sample(PORTS, random.choice((0, 1, 1, 2)))
    return {port: random.choice(("http", "http", "http2", "grpc", "tcp")) for port in chosen}


def _node(random: Random) -> Document:
    backends = random.sample((*SERVICES, "later.local"), random.randint(0, 3))
    listener = random.choice(({}, {}, {"outlierDetection": _OUTLIER}))
    return build.node(
        random.choice(NODES), ports=_ports(random), backends=backends, listener=listener, **_logging(random)
    )


def _logging(random: Random) -> build.Json:
    """Of members with one key the last counts, and the first is said in vain."""
    lines = {"json": [{"key": "a", "value": v} for v in ("x", "%PROTOCOL%")]}
    chosen = random.choice((None, None, {}, {"format": {"text": "%RESPONSE_CODE%"}}, {"format": lines}))
    return {} if chosen is None else {"logging": {"accessLog": {"file": {"path": "/dev/stdout"} | chosen}}}


_OUTLIER = {
    "baseEjectionDuration": {"unit": "s", "value": 10},
    "interval": {"unit": "s", "value": 1},
    "maxEjectionPercent": 50,
    "maxServerErrors": 5,
}


def _service(random: Random) -> Document:
    provider = random.choice(({}, {"node": random.choice(NODES)}, {"router": random.choice(ROUTERS)}))
    return build.service(random.choice(SERVICES), **provider)


def _router(random: Random) -> Document:
    return build.router(random.choice(ROUTERS), ports=_ports(random) or {80: "http"})


def _route(random: Random) -> Document:
    targets = [_target(random) for _ in range(random.randint(1, 3))]
    protocol = random.choice(("http", "http", "http2", "grpc", "tcp"))
    match: build.Json = {"prefix": random.choice(("/", "/a", "/a/b"))} if protocol in ("http", "http2") else {}
    match |= {"port": random.choice(PORTS)} if random.random() < 0.5 else {}
    priority = random.choice((None, 0, 1000))
    name, router = random.choice(("one", "two", "three")), random.choice(ROUTERS)
    return build.route(name, router=router, targets=targets, protocol=protocol, match=match, priority=priority)


def _target(random: Random) -> build.Json:
    port = {"port": random.choice(PORTS)} if random.random() < 0.5 else {}
    return {"virtualNode": random.choice(NODES), "weight": random.choice((0, 1, 50))} | port


def _gateway(random: Random) -> Document:
    ports = {port: random.choice(("http", "http2", "grpc")) for port in random.sample(PORTS, random.randint(1, 2))}
    return build.gateway(random.choice(GATEWAYS), ports=ports, **_logging(random))


def _gateway_route(random: Random) -> Document:
    protocol = random.choice(("http", "http", "http2", "grpc"))
    match: build.Json = {"prefix": random.choice(("/", "/a"))} if protocol != "grpc" else {}
    match |= {"port": random.choice(PORTS)} if random.random() < 0.5 else {}
    kept = {"hostname": {"defaultTargetHostname": "DISABLED"}} if random.random() < 0.3 else None
    return build.gateway_route(
        random.choice(("one", "two")),
        gateway=random.choice(GATEWAYS),
        service=random.choice(SERVICES),
        protocol=protocol,
        match=match,
        target_port=random.choice((None, None, *PORTS)),
        rewrite=kept,
    )


def _placement(random: Random) -> Document:
    return build.placement(random.choice(NODES), *random.sample(("east", "west"), random.randint(1, 2)))


def _binding(random: Random) -> Document:
    bound = {"gateway": random.choice(GATEWAYS)} if random.random() < 0.3 else {"node": random.choice(NODES)}
    return build.binding(random.choice(("x", "y")), **bound)


_MAKERS: tuple[Callable[[Random], Document], ...] = (
    _node, _node, _service, _service, _router, _route, _route, _route, _gateway, _gateway_route, _gateway_route,
    _placement, _binding,
)  # fmt: skip
