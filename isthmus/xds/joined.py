"""joined: messages put together from parts that are serialized already.

A route table of a thousand virtual hosts takes 24 ms to build and 0.5 ms to join (performance.md §6), and one changed
route changes one of its hosts. The bytes are those that protobuf itself would write: fields in the order of their
numbers (tests/unit/xds/test_joined.py).
"""

from google.protobuf.message import Message

LENGTH_DELIMITED = 2
SEVEN_BITS = 0x7F


def field(number: int, body: bytes) -> bytes:
    """One field that holds a message or a string (protobuf encoding, "Length-Delimited Records")."""
    return b"".join((_varint(number << 3 | LENGTH_DELIMITED), _varint(len(body)), body))


def numbers(message: type[Message], *names: str) -> tuple[int, ...]:
    """The numbers of a message's fields."""
    return tuple(message.DESCRIPTOR.fields_by_name[name].number for name in names)


def _varint(value: int) -> bytes:
    if value <= SEVEN_BITS:
        return _SHORT[value]
    out = bytearray()
    while value > SEVEN_BITS:
        out.append(value & SEVEN_BITS | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SHORT = tuple(bytes((value,)) for value in range(SEVEN_BITS + 1))
