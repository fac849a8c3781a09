"""findings: what a real Envoy refuses of a compiled mesh, told as the tenant said it: document, field, Envoy's words.

A refused view is narrowed down to its part (`narrow`), the part's name leads to the document that made it
(`isthmus.xds.origins`), and compiling without one member after another finds the field (`blame`). Parts that many views
share are told once.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from gateway.envoy.blame import Verdict, blamed
from gateway.envoy.narrow import Culprit, culprits, part
from gateway.envoy.validate import Progress, Validator, untold
from isthmus.model.definition import Definition
from isthmus.model.key import Key
from isthmus.xds.origins import Known, origin, owner
from isthmus.xds.snapshot import AGENT_VIEW, Resource, Snapshot

Compile = Callable[[Definition], Snapshot]


@dataclass(frozen=True, slots=True)
class Finding:
    """`pointer` into the document `key`; `part` is what Envoy refuses (`rds outbound route/r/all`) of those views."""

    key: Key
    pointer: str
    part: str
    views: tuple[str, ...]
    words: str


def findings(
    definition: Definition, compiled: Compile, known: Known, validator: Validator, progress: Progress = untold
) -> tuple[Finding, ...]:
    """Everything that Envoy refuses of a definition that `compiled` compiles; empty if it accepts all of it."""
    snapshot = compiled(definition)
    views = {view: resources(snapshot, view) for view in snapshot.manifest.views if view != AGENT_VIEW}
    refused = validator.refusals(views, progress)
    found: dict[tuple[Key, str], Finding] = {}
    for view, key, culprit in _culprits(refused, views, validator, known):
        same = key, _part(culprit)
        if same in found:
            found[same] = replace(found[same], views=(*found[same].views, view))
        else:
            judge = partial(_judged, compiled, view, culprit, validator)
            pointer = blamed(definition, key, judge)
            found[same] = Finding(key, pointer, _part(culprit), (view,), culprit.words)
    return tuple(found.values())


def resources(snapshot: Snapshot, view: str) -> tuple[Resource, ...]:
    """A view's resources, sorted."""
    return tuple(snapshot.resources[ref.version] for ref in snapshot.manifest.refs(view))


def _culprits(
    refused: Mapping[str, str], views: Mapping[str, tuple[Resource, ...]], validator: Validator, known: Known
) -> Iterator[tuple[str, Key, Culprit]]:
    for view, words in refused.items():
        for culprit in culprits(views[view], validator.verdicts, words):
            made = origin(culprit.called, view, known) if culprit.called else None
            yield view, made or owner(view, known), culprit


def _part(culprit: Culprit) -> str:
    return " ".join(filter(None, (culprit.type, culprit.name, culprit.inner)))


def _judged(compiled: Compile, view: str, culprit: Culprit, validator: Validator, definition: Definition) -> Verdict:
    """What became of the culprit in another definition."""
    left = part(resources(compiled(definition), view), culprit)
    if left is None:
        return Verdict.GONE
    return Verdict.REFUSED if validator.refused(left) else Verdict.MENDED
