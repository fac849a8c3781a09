"""lines: what an agent logs: one line an event, `event key=value …`, so that grep and a log store both read it.

Values with spaces or quotes are written as JSON strings. Nothing secret passes through here: tokens and keys are never
facts of an event.
"""

import json
import re

_PLAIN = re.compile(r"[^\s\"'=]+")


def line(event: str, **facts: object) -> str:
    """One event as one line; empty values are written as `""`."""
    return " ".join([event, *(f"{name}={_value(value)}" for name, value in facts.items())])


def _value(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
