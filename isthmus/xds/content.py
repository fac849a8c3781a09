"""content: the views of one mesh in one cluster as they stand, changed one at a time.

Bodies are counted by the views that use them, so what is new and what nobody uses any more is known without looking at
everything; the version follows from the views that changed (`snapshot.Versions`).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from isthmus.xds.snapshot import AGENT_VIEW, Manifest, Parts, Resource, Snapshot, Versions

Half = Literal["serving", "calling"]


class Changed(NamedTuple):
    """What a change came to: the version of all, the views that differ or are gone, and the content that is new."""

    version: str
    views: frozenset[str]
    resources: tuple[Resource, ...]


class Content:
    """Views by id, each with its parts; the agent's is put together from single resources."""

    def __init__(self) -> None:
        self._views: dict[str, Parts] = {}
        self._versions = Versions({})
        self._bodies: dict[str, Resource] = {}
        self._uses: Counter[str] = Counter()
        self._agent: dict[Half, dict[tuple[str, str], Resource]] = {"serving": {}, "calling": {}}
        self._told = False
        self._moved: set[str] = set()
        self._new: dict[str, Resource] = {}
        self._old: set[str] = set()

    def put(self, view: str, serving: Iterable[Resource] = (), calling: Iterable[Resource] = ()) -> None:
        """A view as it is now."""
        halves = tuple(serving), tuple(calling)
        self._set(view, Parts.of(*halves), (r for half in halves for r in half))

    def drop(self, view: str) -> None:
        """A view that is no more."""
        if view in self._views:
            self._set(view, None, ())

    def tell_agent(self, half: Half, key: tuple[str, str], resource: Resource | None) -> None:
        """One resource of the agent's view under a key of its own, or None where it is gone."""
        known = self._agent[half]
        if resource is None:
            known.pop(key, None)
        else:
            known[key] = resource
        self._told = True

    def changed(self) -> Changed:
        """What has come since this was last asked."""
        if self._told:
            self.put(AGENT_VIEW, *(self._agent[half].values() for half in ("serving", "calling")))
        out = Changed(self._versions.version, frozenset(self._moved), tuple(self._new.values()))
        self._moved, self._new, self._old, self._told = set(), {}, set(), False
        return out

    @property
    def manifest(self) -> Manifest:
        """All views, a copy."""
        return Manifest(dict(sorted(self._views.items())))

    @property
    def snapshot(self) -> Snapshot:
        """All of it, a copy."""
        return Snapshot(self.manifest, dict(self._bodies))

    def _set(self, view: str, parts: Parts | None, resources: Iterable[Resource]) -> None:
        before = self._views.get(view)
        if parts == before:
            return
        before = before or Parts()
        had = {ref.version for half in before for ref in half}
        has = {resource.ref.version: resource for resource in resources}
        self._use([(version, resource) for version, resource in has.items() if version not in had])
        for version in had - has.keys():
            self._leave(version)
        if parts is None:
            del self._views[view]
        else:
            self._views[view] = parts
        self._versions.put(view, parts)
        self._moved.add(view)

    def _use(self, resources: Sequence[tuple[str, Resource]]) -> None:
        """What one view gave up before another took it, in whatever order they are put, is not new."""
        self._uses.update([version for version, _ in resources])
        for version, resource in resources:
            if version not in self._bodies:
                self._bodies[version] = resource
                if version not in self._old:
                    self._new[version] = resource

    def _leave(self, version: str) -> None:
        self._uses[version] -= 1
        if not self._uses[version]:
            del self._uses[version], self._bodies[version]
            if self._new.pop(version, None) is None:
                self._old.add(version)
