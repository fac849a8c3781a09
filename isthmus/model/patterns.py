"""patterns: regular expressions that Envoy's RE2 will take, found out before Envoy is asked.

The same library as in Envoy, so the answer is the same. Envoy also limits the size of the compiled program, to 100
unless the runtime key `re2.max_program_size.error_level` says otherwise (measured on 1.40); App Mesh's image said 1,000
(appmesh.md §4.2), and definitions made for it must keep working, so our bootstraps say it too.
"""

from collections.abc import Iterator
from functools import lru_cache

import re2

from isthmus.errors import Violation

MAX_PROGRAM_SIZE = 1000
"""What `re2.max_program_size.error_level` must be in every Envoy that gets what we accept."""


@lru_cache(maxsize=4096)
def refusal(pattern: str) -> str | None:
    """Why Envoy would refuse the pattern, in RE2's words; None if it would not."""
    options = re2.Options()
    options.log_errors = False  # RE2 would write to stderr
    try:
        size = re2.compile(pattern, options).programsize
    except re2.error as error:
        return _words(error)
    return None if size <= MAX_PROGRAM_SIZE else f"its program size is {size}, more than {MAX_PROGRAM_SIZE}"


@lru_cache(maxsize=4096)
def wildcard(name: str) -> str | None:
    """A host's name in which each `*` stands for one label, as a pattern; None if Envoy would not take it."""
    pattern = r"[^.]+".join(map(_quoted, name.split("*")))
    return pattern if refusal(pattern) is None else None


def _quoted(text: str) -> str:
    """As RE2 reads it letter by letter; Python's own escapes are not all known to it."""
    return "".join(f"\\{c}" if c in r"\.+*?()|[]{}^$" else c for c in text)


def _words(error: Exception) -> str:
    text = error.args[0]
    return text.decode() if isinstance(text, bytes) else str(text)


def invalid_regex(pattern: str | None, pointer: str) -> Iterator[Violation]:
    """At most one violation, `invalid_regex`."""
    why = refusal(pattern) if pattern is not None else None
    if why:
        yield Violation(pointer, "invalid_regex", f"{pattern!r} is not a regular expression that Envoy takes: {why}")
