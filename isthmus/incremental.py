"""incremental: what was computed is kept until something that it read has changed.

A result is built by a function that asks a `Computation` for inputs and for other results, and what it asked for is
noted. A change marks what stands on it; what is then asked for is settled read by read, in the order of reading, so a
result is built again only if one of its reads has really changed, and one that comes out equal stops the change there
(early cut-off). So a change costs what it reaches, however much else there is (performance.md §6).

What is built this way must be pure, read everything that can change through the computation, and read in an order that
depends on nothing but what it has read before: a read is never settled before those that led to it.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Lookup(Protocol[T_co]):
    """Things by name, looked up one by one: what is looked up is what a result depends on."""

    def __getitem__(self, name: str, /) -> T_co: ...
    def __contains__(self, name: object, /) -> bool: ...
    def get(self, name: str, /) -> T_co | None: ...


class _Absent:
    """The value of an input that is not there."""


ABSENT = _Absent()


class _Cell:
    """An input (without `build`) or a result. `changed`, `checked`: when its value changed, and was last right."""

    __slots__ = ("build", "changed", "checked", "key", "readers", "reads", "root", "stale", "value")

    def __init__(self, key: Hashable, build: Callable[[], Any] | None) -> None:
        self.key, self.build = key, build
        self.value: Any = ABSENT
        self.changed = self.checked = 0
        self.reads: dict[_Cell, None] = _NOTHING
        self.readers: set[_Cell] = set()
        self.root = self.stale = False


_NOTHING: dict[_Cell, None] = {}


class Computation:
    """Inputs, and results that are kept. Results asked for from outside are roots; others live while they are read.

    After an exception out of a build it must not be used again; whoever is done with it closes it.
    """

    def __init__(self) -> None:
        self._cells: dict[Hashable, _Cell] = {}
        self._reads: dict[_Cell, None] | None = None
        self._clock = 0
        self._reached: set[_Cell] = set()
        self._left: set[_Cell] = set()

    def put(self, key: Hashable, value: object) -> None:
        """Set an input, or take it away with `ABSENT`; an equal value changes nothing."""
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = _Cell(key, None)
        elif cell.value is value or (value is not ABSENT and cell.value == value):
            return
        self._clock += 1
        cell.value, cell.changed = value, self._clock
        self._taint(cell)
        self._left.add(cell)

    def read(self, key: Hashable) -> Any:  # noqa: ANN401 - whatever was put
        """An input; `ABSENT` if there is none."""
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = _Cell(key, None)
        if self._reads is not None:
            self._reads[cell] = None
        return cell.value

    def get(self, key: Hashable, build: Callable[[], T]) -> T:
        """The result of `build`, kept under `key`: one key, one function of what it reads."""
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = _Cell(key, build)
            self._build(cell)
        elif cell.stale:
            self._settle(cell)
        if self._reads is None:
            cell.root = True
        else:
            self._reads[cell] = None
        value: T = cell.value
        return value

    def reached(self) -> Iterable[Hashable]:
        """The roots that may have changed since this was last asked, in no order."""
        keys = [cell.key for cell in self._reached]
        self._reached = set()
        return keys

    def forget(self, key: Hashable) -> None:
        """Let go of a root."""
        cell = self._cells.get(key)
        if cell is not None:
            cell.root = False
            self._reached.discard(cell)
            self._left.add(cell)

    def sweep(self) -> None:
        """Drop what nobody reads any more. Not while something is being built: its reads are not known yet."""
        assert self._reads is None, "swept from within a build"
        left, self._left = list(self._left), set()
        while left:
            cell = left.pop()
            if cell.readers or cell.root or (cell.build is None and cell.value is not ABSENT):
                continue
            if self._cells.get(cell.key) is cell:
                del self._cells[cell.key]
            for read in cell.reads:
                read.readers.discard(cell)
                left.append(read)
            cell.reads = _NOTHING

    def close(self) -> None:
        """Let go of everything. What is kept refers to itself all over, and Python would be late to find that out."""
        for cell in self._cells.values():
            cell.reads, cell.readers, cell.build = _NOTHING, set(), None
        self._cells, self._reached, self._left = {}, set(), set()

    def __len__(self) -> int:
        return len(self._cells)

    def _taint(self, changed: _Cell) -> None:
        todo = [changed]
        while todo:
            for reader in todo.pop().readers:
                if not reader.stale:
                    reader.stale = True
                    if reader.root:
                        self._reached.add(reader)
                    todo.append(reader)

    def _settle(self, cell: _Cell) -> None:
        """Make a marked result right: by finding that nothing it read has changed, or by building it again."""
        for read in cell.reads:
            if read.stale:
                self._settle(read)
            if read.changed > cell.checked:
                self._build(cell)
                return
        cell.stale, cell.checked = False, self._clock

    def _build(self, cell: _Cell) -> None:
        assert cell.build is not None, "an input is never stale"
        outer = self._reads
        reads: dict[_Cell, None] = {}
        self._reads = reads
        try:
            value = cell.build()
        finally:
            self._reads = outer
        if cell.value is ABSENT or cell.value != value:
            cell.value, cell.changed = value, self._clock
        cell.stale, cell.checked = False, self._clock
        for read in cell.reads:
            if read not in reads:
                read.readers.discard(cell)
                self._left.add(read)
        for read in reads:
            read.readers.add(cell)
        cell.reads = reads or _NOTHING


class Inputs(Generic[T]):
    """The inputs of one kind, by name."""

    def __init__(self, computation: Computation, kind: str) -> None:
        self._computation, self._kind = computation, kind

    def __getitem__(self, name: str, /) -> T:
        value = self._computation.read((self._kind, name))
        if value is ABSENT:
            raise KeyError(name)
        found: T = value
        return found

    def __contains__(self, name: object, /) -> bool:
        return self._computation.read((self._kind, name)) is not ABSENT

    def get(self, name: str, /) -> T | None:
        """None if there is none."""
        value = self._computation.read((self._kind, name))
        return None if value is ABSENT else value


class Results(Generic[T]):
    """What `build` makes of each name that `known` has; it raises KeyError for any other."""

    def __init__(self, computation: Computation, kind: str, known: Lookup[object], build: Callable[[str], T]) -> None:
        self._computation, self._kind, self._known, self._build = computation, kind, known, build

    def __getitem__(self, name: str, /) -> T:
        return self._computation.get((self._kind, name), lambda: self._build(name))

    def __contains__(self, name: object, /) -> bool:
        return name in self._known

    def get(self, name: str, /) -> T | None:
        """None if there is none."""
        return self[name] if name in self._known else None
