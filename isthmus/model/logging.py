"""logging: access logs, as App Mesh writes them for virtual nodes and gateways, equal in every limit.

Beyond App Mesh's limits, a format must be one that Envoy takes: what it refuses, it refuses with the whole listener.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from isthmus.errors import Violation
from isthmus.model.log_formats import invalid_log_format
from isthmus.model.structure import Many, Maybe, Name, Structure, Union

_Short = Annotated[str, Field(min_length=1, max_length=100)]


class JsonFormatRef(Structure):
    """One member of a JSON log line: its key, and the command operator that gives its value."""

    key: _Short
    value: _Short

    def violations(self) -> Iterator[Violation]:
        return invalid_log_format(self.value, "/value")


class LoggingFormat(Union):
    """How a log line is written."""

    json_: Maybe[Many[JsonFormatRef]] = Field(None, alias="json")
    text: Maybe[Annotated[str, Field(min_length=1, max_length=1000)]] = None

    def violations(self) -> Iterator[Violation]:
        return invalid_log_format(self.text, "/text")


class FileAccessLog(Structure):
    """An access log in a file on the proxy's host."""

    format: Maybe[LoggingFormat] = None
    path: Name


class AccessLog(Union):
    """Where access is logged."""

    file: Maybe[FileAccessLog] = None


class Logging(Structure):
    """What is logged."""

    access_log: Maybe[AccessLog] = None
