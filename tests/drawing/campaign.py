"""campaign: so many drawn meshes: consistent, the same bytes in any order of documents, and taken by a real Envoy."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from typing import Self

from isthmus.model.definition import Definition
from isthmus.xds.compile import compile_mesh
from isthmus.xds.consistency import inconsistencies
from tests.contract.envoy.canary import Canary, Proxy, Refused, proxies
from tests.drawing import coverage
from tests.drawing.meshes import mesh
from tests.golden.cases import surroundings

AT_ONCE = 160
"""Proxies in one push."""


@dataclass
class Verdict:
    """What became of the meshes of the seeds from `first` on."""

    first: int
    count: int
    wrong: list[str] = field(default_factory=list)
    accepted: int = 0
    lines: list[str] = field(default_factory=list)
    said: Counter[str] = field(default_factory=Counter)

    @property
    def rare(self) -> dict[str, float]:
        """What occurs too seldom for the others to mean much."""
        shares = coverage.shares(self.said, self.count)
        return {place: share for place, share in shares.items() if share < coverage.LEAST}

    @property
    def held(self) -> bool:
        """Whether nothing is wrong, everything occurs, and every mesh was taken."""
        return not self.wrong and not self.rare and self.accepted == self.count

    @property
    def report(self) -> str:
        """Seeds, counts, and the least covered of all that can be said."""
        shares = coverage.shares(self.said, self.count)
        seldom = sorted(shares, key=shares.__getitem__)[:8]
        lines = [f"seeds {self.first} to {self.first + self.count - 1}", *self.lines]
        lines += [f"{len(shares)} fields, words and situations, the least covered:"]
        lines += [f"  {shares[place]:6.1%} of meshes: {place}" for place in seldom]
        return "\n".join([*lines, *(f"WRONG {each}" for each in self.wrong)])

    def then(self, other: Self) -> Self:
        """Both, of which the other follows this one."""
        assert other.first == self.first + self.count, "seeds without a gap"
        return replace(
            self,
            count=self.count + other.count,
            wrong=self.wrong + other.wrong,
            accepted=self.accepted + other.accepted,
            lines=self.lines + other.lines,
            said=self.said + other.said,
        )


def campaign(count: int, first: int = 0) -> Verdict:
    """The meshes of `count` seeds."""
    verdict = Verdict(first, count)
    with Canary.running() as canary:
        for push in _pushes(verdict):
            try:
                canary.accepts(push)
            except Refused as refused:
                verdict.wrong.append(str(refused))
        verdict.accepted = canary.tally.meshes
        verdict.lines.append(canary.tally.line)
    return verdict


def in_two_halves(count: int, first: int = 0) -> Verdict:
    """The same by two processes, each with an Envoy of its own."""
    half = count // 2
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        one, other = pool.map(campaign, (half, count - half), (first, first + half))
    return one.then(other)


def _pushes(verdict: Verdict) -> Iterator[Sequence[tuple[str, Sequence[Proxy]]]]:
    """Meshes in groups that fit into one push."""
    group: list[tuple[str, Sequence[Proxy]]] = []
    for seed in range(verdict.first, verdict.first + verdict.count):
        listed = list(_compiled(seed, verdict))
        if group and sum(len(each) for _, each in group) + len(listed) > AT_ONCE:
            yield group
            group = []
        group.append((f"the mesh of seed {seed}", listed))
    yield group


def _compiled(seed: int, verdict: Verdict) -> Iterator[Proxy]:
    """What the mesh of a seed makes its proxies."""
    definition = mesh(seed)
    verdict.said.update(coverage.said(definition))
    snapshot = compile_mesh(definition, surroundings(), "east").snapshot
    verdict.wrong += [f"the mesh of seed {seed}: {said}" for said in inconsistencies(snapshot)]
    if compile_mesh(_turned(definition), surroundings(), "east").snapshot != snapshot:
        verdict.wrong.append(f"the mesh of seed {seed}: with its documents in another order it compiles to other bytes")
    yield from proxies(definition, snapshot, seed)


def _turned(definition: Definition) -> Definition:
    """The same said in another order."""
    return replace(definition, documents=dict(reversed(list(definition.documents.items()))))
