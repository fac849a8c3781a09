"""campaign: so many drawn meshes: each is consistent, compiles again to the same bytes, and is taken by an Envoy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

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
    accepted: str = ""
    said: list[frozenset[str]] = field(default_factory=list)

    @property
    def rare(self) -> dict[str, float]:
        """What occurs too seldom for the others to mean much."""
        shares = coverage.shares(self.said)
        return {place: share for place, share in shares.items() if share < coverage.LEAST}

    @property
    def held(self) -> bool:
        return not self.wrong and not self.rare

    @property
    def report(self) -> str:
        """Seeds, counts, and the least covered of all that can be said."""
        shares = coverage.shares(self.said)
        seldom = sorted(shares, key=shares.__getitem__)[:8]
        lines = [f"seeds {self.first} to {self.first + self.count - 1}: {self.accepted}"]
        lines += [f"{len(shares)} fields, words and situations, the least covered:"]
        lines += [f"  {shares[place]:6.1%} of meshes: {place}" for place in seldom]
        return "\n".join([*lines, *(f"WRONG {each}" for each in self.wrong)])


def campaign(count: int, first: int = 0) -> Verdict:
    """The meshes of `count` seeds."""
    verdict = Verdict(first, count)
    with Canary.running() as canary:
        for push in _pushes(verdict):
            try:
                canary.accepts(push)
            except Refused as refused:
                verdict.wrong.append(str(refused))
        verdict.accepted = canary.tally.line
    return verdict


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
    verdict.said.append(coverage.said(definition))
    compiled = compile_mesh(definition, surroundings(), "east")
    verdict.wrong += [f"the mesh of seed {seed}: {said}" for said in inconsistencies(compiled.snapshot)]
    if compile_mesh(definition, surroundings(), "east") != compiled:
        verdict.wrong.append(f"the mesh of seed {seed}: compiled twice it differs")
    yield from proxies(definition, compiled.snapshot, seed)
