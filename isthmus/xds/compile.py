"""compile: one mesh for one cluster, kept warm: a change compiles what stands on it and nothing else.

The first compile is the change from nothing to everything, so there is one way to a result. What a compiler holds
depends on the definition and its surroundings alone, not on the way there: `tests/unit/xds/test_incremental.py`
compares it with a fresh one, byte for byte, over random edits.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Self

from isthmus.incremental import Computation
from isthmus.ir import ineffective
from isthmus.ir.mesh import Ineffective
from isthmus.ir.resolve import resolve
from isthmus.ir.said import Documents, Said
from isthmus.ir.surroundings import Surroundings
from isthmus.model import vips
from isthmus.model.definition import Definition, Settings
from isthmus.model.document import Document
from isthmus.model.key import Key
from isthmus.model.kinds.mesh import MeshSpec
from isthmus.xds import directory
from isthmus.xds.content import Changed, Content
from isthmus.xds.snapshot import Manifest, Snapshot, Type, view_id
from isthmus.xds.translate import Ports, Translation, View

COMPILER = "4"
"""An input of every snapshot (design-notes 17): raised whenever the same definition compiles to other bytes."""


class Compiled(NamedTuple):
    """A snapshot, and what the definition says without effect, sorted."""

    snapshot: Snapshot
    ineffective: tuple[Ineffective, ...]


def compile_mesh(definition: Definition, around: Surroundings, cluster: str) -> Compiled:
    """A definition that has passed `model.check`, for one cluster, with addresses that nobody else has a say in.

    The same input gives the same bytes.
    """
    compiler = Compiler(Ground.of(definition, around), cluster)
    compiler.change(definition.documents, offline_vips(definition))
    return compiler.compiled


def offline_vips(definition: Definition) -> Mapping[str, str]:
    """What a definition's virtual services have for addresses where no store has given them any."""
    services = (key.name for key in definition.documents if key.kind == "VirtualService")
    return vips.offline(services, definition.settings.vips)


@dataclass(frozen=True)
class Ground:
    """What everything of a mesh depends on: where it differs, a compiler begins anew."""

    name: str
    spec: MeshSpec
    settings: Settings
    attached: frozenset[str]
    around: Surroundings

    @classmethod
    def of(cls, definition: Definition, around: Surroundings) -> Self:
        """A definition's."""
        attached = frozenset(key.name for key in definition.documents if key.kind == "Attachment")
        return cls(definition.name, definition.spec, definition.settings, attached, around)


class Sort(StrEnum):
    """What goes into a snapshot, or is told of a document: its notes, a view, what the agent must know of it.

    `CALLED` is a port of a node that some view calls, for the agent.
    """

    NOTES = "notes"
    VIEW = "view"
    TOLD = "told"
    CALLED = "called"


class Root(NamedTuple):
    """A result that is asked for: of which sort, of which document, and of which of its ports (`CALLED`)."""

    sort: Sort
    key: Key
    port: int = 0


ROLES = {"VirtualNode": "node", "VirtualGateway": "gateway"}
DIRECTORY = {"VirtualNode": Type.NODE, "VirtualGateway": Type.GATEWAY, "Binding": Type.BINDING}


class Compiler:
    """One mesh in one cluster. After an exception it must not be used again."""

    def __init__(self, ground: Ground, cluster: str) -> None:
        self.ground = ground
        self._computation = Computation()
        self._documents = Documents(self._computation)
        self._said = Said.of(self._computation, ground.name, ground.spec, ground.settings, ground.attached)
        self._ir = resolve(self._computation, self._said, ground.around, cluster)
        self._translation = Translation(self._computation, self._ir)
        self._content = Content()
        self._calls: dict[Root, Ports] = {}
        self._callers: Counter[tuple[str, int]] = Counter()
        self._moved: set[tuple[str, int]] = set()
        self._notes = {Key("Mesh", ground.name): tuple(ineffective.of_mesh(self._said))}
        if self._ir.here:
            self._begin()

    def change(self, documents: Mapping[Key, Document | None], vips: Mapping[str, str]) -> Changed:
        """Documents that are new or other than before, and None for those that are gone. Not attachments: ground.

        `vips`: the addresses of the virtual services among them, by name.
        """
        self._documents.put(documents.items(), vips)
        roots = {root: document is not None for key, document in documents.items() for root in self._roots(key)}
        for reached in self._computation.reached():
            assert isinstance(reached, Root), "nothing else is asked for from outside"
            roots.setdefault(reached, True)
        for root, there in roots.items():
            if root.sort is Sort.CALLED:
                self._moved.add((root.key.name, root.port))
            else:
                self._update(root, there=there)
        for node, port in self._moved:
            self._update(Root(Sort.CALLED, Key("VirtualNode", node), port), there=self._callers[node, port] > 0)
        self._moved = set()
        self._computation.sweep()
        return self._content.changed()

    @property
    def held(self) -> int:
        """How many inputs and results it keeps."""
        return len(self._computation)

    def close(self) -> None:
        """Let go of everything; it must not be used again."""
        self._computation.close()

    def __len__(self) -> int:
        """How many documents it compiles."""
        return len(self._notes)

    @property
    def manifest(self) -> Manifest:
        """All views, a copy."""
        return self._content.manifest

    @property
    def ineffective(self) -> tuple[Ineffective, ...]:
        """What the definition says without effect, sorted."""
        return tuple(sorted((note for notes in self._notes.values() for note in notes), key=_by_place))

    @property
    def compiled(self) -> Compiled:
        """All of it, a copy."""
        return Compiled(self._content.snapshot, self.ineffective)

    def _begin(self) -> None:
        """What there is of a mesh in each of its clusters, whatever its documents."""
        self._put("east-west", self._ir.label, self._translation.east_west())
        self._content.tell_agent("serving", (Type.MESH, self._ir.label), directory.mesh(self._ir))
        for peer in self._ir.peers:
            self._content.tell_agent("calling", (Type.PEER, peer.name), directory.peer(peer))

    def _roots(self, key: Key) -> Iterator[Root]:
        yield Root(Sort.NOTES, key)
        if self._ir.here and key.kind in ROLES:
            yield Root(Sort.VIEW, key)
        if self._ir.here and key.kind in DIRECTORY:
            yield Root(Sort.TOLD, key)

    def _update(self, root: Root, *, there: bool) -> None:
        """Put a result where it belongs, as it is now, or take it away."""
        value: Any = None
        if there:
            value = self._computation.get(root, lambda: self._built(root))
        else:
            self._computation.forget(root)
        match root.sort:
            case Sort.NOTES:
                self._note(root.key, value)
            case Sort.VIEW:
                self._put(ROLES[root.key.kind], root.key.name, value)
                self._call(root, value.called if value else ())
            case Sort.TOLD:
                self._content.tell_agent("serving", (DIRECTORY[root.key.kind], root.key.name), value)
            case Sort.CALLED:
                self._content.tell_agent("calling", (Type.BACKEND, f"{root.key.name} {root.port}"), value)

    def _note(self, key: Key, notes: tuple[Ineffective, ...] | None) -> None:
        if notes is None:
            self._notes.pop(key, None)
        else:
            self._notes[key] = notes

    def _built(self, root: Root) -> Any:  # noqa: ANN401 - by sort
        name = root.key.name
        match root.sort:
            case Sort.NOTES:
                return tuple(ineffective.of_document(root.key, self._documents.read(root.key), self._said))
            case Sort.VIEW:
                translate = self._translation.node if root.key.kind == "VirtualNode" else self._translation.gateway
                return translate(name)
            case Sort.TOLD:
                return self._translation.directory(DIRECTORY[root.key.kind], name)
            case Sort.CALLED:
                return self._translation.directory_backend(name, root.port)

    def _put(self, role: str, name: str, view: View | None) -> None:
        """A view for each Envoy minor: the same content, as long as none needs another."""
        for minor in self.ground.around.minors:
            if view is None:
                self._content.drop(view_id(role, name, minor))
            else:
                self._content.put(view_id(role, name, minor), view.serving, view.calling)

    def _call(self, root: Root, ports: Ports) -> None:
        """Count who calls what: the agent is told of each port that anyone here calls."""
        before = self._calls.pop(root, ())
        if ports:
            self._calls[root] = ports
        for change, listed in ((1, set(ports) - set(before)), (-1, set(before) - set(ports))):
            for node, port in listed:
                self._callers[node, port] += change
                self._moved.add((node, port))


def _by_place(note: Ineffective) -> tuple[str, ...]:
    return note.key.kind, note.key.text, note.pointer
