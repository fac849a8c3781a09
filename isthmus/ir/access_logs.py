"""access_logs: what a node's or gateway's `logging` asks for.

A text that does not end its line gets the newline that it lacks: App Mesh handed texts to Envoy as they were, so its
documentation's examples end in one, and without it the whole file is one line, which nobody can have meant. Of members
with one key the last counts, as in any JSON object; the others are reported.
"""

from collections.abc import Iterator

from isthmus.ir.mesh import AccessLog, Ineffective
from isthmus.model.key import Key
from isthmus.model.logging import FileAccessLog, Logging, LoggingFormat


def access_log(said: Logging | None) -> AccessLog | None:
    """The log that is asked for, if any."""
    file = _file(said)
    if file is None:
        return None
    if file.format is None:
        return AccessLog(file.path)
    if file.format.text is not None:
        return AccessLog(file.path, text=file.format.text.removesuffix("\n") + "\n")
    return AccessLog(file.path, members=tuple(sorted(_members(file.format).items())))


def _file(said: Logging | None) -> FileAccessLog | None:
    return said.access_log.file if said is not None and said.access_log is not None else None


def _members(said: LoggingFormat) -> dict[str, str]:
    return {member.key: member.value for member in said.json_ or ()}


def repeated(key: Key, said: Logging | None) -> Iterator[Ineffective]:
    """Members of JSON lines, of the node or gateway `key`, whose own key is said again after them."""
    file = _file(said)
    keys = [member.key for member in file.format.json_ or ()] if file is not None and file.format is not None else []
    for i, word in enumerate(keys):
        if word in keys[i + 1 :]:
            at = f"/spec/logging/accessLog/file/format/json/{i}"
            yield Ineffective(key, at, f"a line has each key once, and {word} is said again")
