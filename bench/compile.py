"""compile: definition → snapshot and endpoints, whole and after one change, against bare protobuf.

The floor builds and serializes the very same messages (their bytes are compared) by constructor calls written out as
source, without names to look up, digests, or anything kept. Both run interleaved in one process; memory is measured in
a process of its own.
"""

import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import UUID

from bench import Figure
from bench.floor import bare
from isthmus.model.definition import Definition
from isthmus.model.document import Document, Key
from isthmus.xds.compile import Compiler, Ground, offline_vips
from isthmus.xds.directory import Directory
from isthmus.xds.endpoints import Here, LocalInstance, Topology, endpoints
from isthmus.xds.snapshot import AGENT_VIEW, Resource
from tests import build
from tests.golden.cases import REGIONS, resources, surroundings
from workers.warm import calm_collector

SERVICES, TEN_TIMES, ENDPOINTS, ROUTES, BACKENDS = 1_000, 10_000, 10, 3, 5
"""`BACKENDS`: how many services each node calls, and so how many callers each service has."""

RUNS, EDITS = 7, 41
HERE = Here("east", UUID(int=0), REGIONS["east"], "east")


def run() -> list[Figure]:
    """Full and incremental compiles; the ratios are of medians in this run."""
    calm_collector()
    single, tenfold = one_route(SERVICES), one_route(TEN_TIMES)
    return [
        *whole(1, must=500),
        *whole(BACKENDS, must=None),
        Figure("one changed route, 1,000 services: incremental compile", round(single, 2), "ms", 5, EDITS),
        Figure("the same, 10,000 services", round(tenfold, 2), "ms", None, EDITS),
        Figure("one changed route: 10,000 services / 1,000", round(tenfold / single, 2), "×", 2, EDITS),
        Figure("memory of the compiler, 10,000 services", memory(TEN_TIMES), "MB", None, 1),
    ]


def whole(backends: int, must: float | None) -> list[Figure]:
    """A full compile beside bare protobuf. With one backend a node it is the shape of performance.md §6."""
    definition, known = mesh(SERVICES, backends), instances(SERVICES)
    floor = bare(full(definition, known))
    ours, theirs = [], []
    for _ in range(RUNS):
        theirs.append(timed(floor))
        ours.append(timed(lambda: full(definition, known)))
    took, least = statistics.median(ours), statistics.median(theirs)
    calls = f"each node calls {'one' if backends == 1 else backends}"
    return [
        Figure(f"full compile, 1,000 services × 10 endpoints × 3 routes, {calls}", round(took), "ms", must, RUNS),
        Figure("the same / bare protobuf build and serialize", round(took / least, 2), "×", 3, RUNS),
    ]


def mesh(services: int, backends: int = BACKENDS) -> Definition:
    """Each service has a router with three routes over two nodes."""
    documents = [build.attachment(cluster) for cluster in ("east", "west")]
    for i in range(services):
        documents.append(build.node(f"n{i}", backends=[f"s{(i + j) % services}.local" for j in range(backends)]))
        documents.append(build.router(f"r{i}"))
        documents += [split(i, k, services, 50) for k in range(ROUTES)]
        documents.append(build.service(f"s{i}.local", router=f"r{i}"))
    return build.definition(*documents)


def split(i: int, k: int, services: int, share: int) -> Document:
    """One route of one service."""
    targets = {f"n{i}": share, f"n{(i + 1) % services}": 50}
    return build.route(f"x{k}", router=f"r{i}", prefix=f"/p{k}", targets=targets)


def instances(services: int) -> Topology:
    """Ten of each node, with proxies."""
    return Topology(
        [
            LocalInstance(f"n{i}-{k}", f"n{i}", f"10.{i // 250}.{i % 250}.{k + 1}", {8080: 15006})
            for i in range(services)
            for k in range(ENDPOINTS)
        ]
    )


def warm(definition: Definition) -> Compiler:
    """A compiler that has compiled everything."""
    compiler = Compiler(Ground.of(definition, surroundings()), "east")
    compiler.change(definition.documents, offline_vips(definition))
    return compiler


def full(definition: Definition, topology: Topology) -> list[Resource]:
    """Everything that is compiled of a definition, and the endpoints of all that is called."""
    snapshot = warm(definition).compiled.snapshot
    directory = Directory.read(resources(snapshot, AGENT_VIEW))
    assert directory is not None, "the mesh is attached"
    return [*snapshot.resources.values(), *endpoints(directory, topology, HERE).values()]


def timed(work: Callable[[], object]) -> float:
    """Milliseconds. The collector's work is each run's own."""
    gc.collect()
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def one_route(services: int) -> float:
    """Milliseconds from a changed route to the new version and the new resources, with a warm compiler; the median."""
    compiler = warm(mesh(services))
    took = []
    for i in range(EDITS):
        edit: Mapping[Key, Document] = {(route := split(i, 1, services, 49 - i)).key: route}
        began = time.perf_counter()
        changed = compiler.change(edit, {})
        took.append((time.perf_counter() - began) * 1000)
        assert len(changed.resources) == BACKENDS + 1, "a table for each caller, and the service's own"
    return statistics.median(took)


def memory(services: int) -> float:
    """Megabytes that a warm compiler adds to a process that has the definition already."""
    asked = f"from bench.compile import weigh; print(weigh({services}))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    return float(done.stdout)


def weigh(services: int) -> float:
    """The same, in this process."""
    calm_collector()
    definition = mesh(services)
    gc.collect()
    before = resident()
    compiler = warm(definition)
    gc.collect()
    assert len(compiler) > services
    return round(resident() - before)


def resident() -> float:
    """Megabytes of this process that are in memory."""
    with Path("/proc/self/status").open() as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024
