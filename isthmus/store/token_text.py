"""token text: `ist_<kind>_<30 random><6 checksum>`, base62, so that scanners find leaked tokens and need not ask us.

The underscores make a double click select all of it, the CRC-32 tells a token from a chance match offline (GitHub's
rationale, product.md §3.2). 178 random bits cannot be guessed, so a plain SHA-256 is what we keep.
"""

import hashlib
import re
import zlib
from collections.abc import Callable
from typing import Literal

from isthmus.values import Secret

Kind = Literal["pat", "svc", "join", "agt", "scim", "whk"]
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PATTERN = re.compile(r"ist_(pat|svc|join|agt|scim|whk)_[0-9A-Za-z]{36}")
"""Published, for scanners."""
RANDOM, CHECKSUM = 30, 6
PREFIX = 16
"""How much of a token may be shown: enough to tell one's tokens apart, of which 40 bits or more are random."""


def mint(kind: Kind, choice: Callable[[str], str]) -> Secret:
    """A new token; `choice` picks one character of a text at random (`secrets.choice`)."""
    head = f"ist_{kind}_" + "".join(choice(ALPHABET) for _ in range(RANDOM))
    return Secret(head + _checksum(head))


def genuine(text: str) -> bool:
    """Whether it has a token's form and checksum, which says nothing about its being valid."""
    head, checksum = text[:-CHECKSUM], text[-CHECKSUM:]
    return PATTERN.fullmatch(text) is not None and checksum == _checksum(head)


def digest(text: str) -> bytes:
    """What is kept of a token, and what it is found by."""
    return hashlib.sha256(text.encode()).digest()


def _checksum(head: str) -> str:
    number, digits = zlib.crc32(head.encode()), ""
    for _ in range(CHECKSUM):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
