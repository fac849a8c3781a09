"""joined: messages put together from parts that are serialized already.

A route table of a thousand virtual hosts takes 24 ms to build and 0.5 ms to join (performance.md §6), and one changed
route changes one of its hosts. The bytes are those that protobuf itself would write: fields in the order of their
numbers (tests/unit/xds/test_joined.py).
"""

from functools import lru_cache
from itertools import pairwise

from google.protobuf.message import Message

LENGTH_DELIMITED = 2
SEVEN_BITS = 0x7F


def field(number: int, body: bytes) -> bytes:
    """One field that holds a message or a string (protobuf encoding, "Length-Delimited Records")."""
    return _head(number, len(body)) + body


def numbers(message: type[Message], *names: str) -> tuple[int, ...]:
    """The numbers of a message's fields."""
    return tuple(message.DESCRIPTOR.fields_by_name[name].number for name in names)


def around(message: Message, *names: str) -> tuple[bytes, ...]:
    """What a message says before, between and after some fields, in the order of their numbers.

    So what differs from one message to the next is written between what is the same in all of them.
    """
    ends = [0, *numbers(type(message), *names), 2**29]  # the last is no field's any more
    parts = []
    for after, before in pairwise(ends):
        part = type(message)()
        part.CopyFrom(message)
        for said, _ in message.ListFields():
            if not after < said.number < before:
                part.ClearField(said.name)
        parts.append(part.SerializeToString(deterministic=True))
    return tuple(parts)


@lru_cache(maxsize=2**14)
def _head(number: int, length: int) -> bytes:
    """Kept, because a compile writes some tens of fields for each service, and most are short."""
    return _varint(number << 3 | LENGTH_DELIMITED) + _varint(length)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > SEVEN_BITS:
        out.append(value & SEVEN_BITS | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
