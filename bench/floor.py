"""floor: the same messages as bare protobuf: constructor calls written out as Python source, and serialized.

What a compiler cannot be quicker than without leaving protobuf's Python: nothing is looked up, named, compared or kept.
A message inside an `Any` is built and packed too, unless it is the same in every message of its kind (a constant).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from google.protobuf import symbol_database
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from isthmus.xds.decoded import MESSAGES
from isthmus.xds.snapshot import Resource
from isthmus.xds.sources import packed

_ANY = "google.protobuf.Any"
_CLASSES = symbol_database.Default()


def bare(resources: Iterable[Resource]) -> Callable[[], list[bytes]]:
    """Builds and serializes the messages of these resources (not the agent's JSON); compared with their bytes once."""
    listed = [r for r in resources if r.type in MESSAGES]
    messages = [MESSAGES[r.type].FromString(r.body) for r in listed]
    source = _Source(messages)
    steps = [eval(f"lambda: {source.of(m)}", source.names) for m in messages]  # noqa: S307 - source of our own

    def build() -> list[bytes]:
        return [step().SerializeToString(deterministic=True) for step in steps]

    assert build() == [r.body for r in listed], "the floor builds the same messages"
    return build


class _Source:
    """Writes constructor calls; `names` is what they are evaluated among."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self.names: dict[str, Any] = {"packed": packed}
        self._seen = Counter(each.SerializeToString(deterministic=True) for m in messages for each in _packed_in(m))

    def of(self, message: Any) -> str:  # noqa: ANN401 - a message
        """The source of one message."""
        if message.DESCRIPTOR.full_name == _ANY:
            return self._any(message)
        parts = (f"{field.name}={self._field(field, value)}" for field, value in message.ListFields())
        return f"{self._name(type(message))}({', '.join(parts)})"

    def _any(self, message: Any) -> str:  # noqa: ANN401 - an Any
        if self._seen[message.SerializeToString(deterministic=True)] > 1:
            return self._name(message, f"constant_{abs(hash((message.type_url, message.value)))}")
        inner = _CLASSES.GetSymbol(message.type_url.rpartition("/")[2])
        return f"packed({self.of(inner.FromString(message.value))})"

    def _field(self, field: FieldDescriptor, value: Any) -> str:  # noqa: ANN401 - of any field
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return "{" + ", ".join(f"{key!r}: {self._value(each)}" for key, each in value.items()) + "}"
        if field.is_repeated:
            return "[" + ", ".join(self._value(each) for each in value) + "]"
        return self._value(value)

    def _value(self, value: Any) -> str:  # noqa: ANN401 - of any field
        return self.of(value) if isinstance(value, Message) else repr(value)

    def _name(self, value: Any, name: str = "") -> str:  # noqa: ANN401 - a class or a constant
        name = name or value.DESCRIPTOR.full_name.replace(".", "_")
        self.names[name] = value
        return name


def _packed_in(message: Any) -> Iterator[Any]:  # noqa: ANN401 - a message
    """Every `Any` in a message, not looking into them."""
    if message.DESCRIPTOR.full_name == _ANY:
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            listed = list(value.values())
        else:
            listed = list(value) if field.is_repeated else [value]
        for each in listed:
            if isinstance(each, Message):
                yield from _packed_in(each)
