"""access_logs: one line for each request of an HTTP chain, and for each connection of a TCP chain, into a file.

Envoy opens the file when it takes the listener, and refuses the listener if it cannot: "unable to open file '…': No
such file or directory" (measured on 1.40). A running proxy keeps its old listener then, a new one has none. A path
without a leading `/` is below wherever that Envoy was started.

The standard streams are not opened but written to, because opening `/dev/stdout` fails where it is a socket (systemd's
journal) or another user's pipe (measured on 1.40).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.core.v3 import substitution_format_string_pb2 as format_pb2
from envoy.extensions.access_loggers.file.v3 import file_pb2
from envoy.extensions.access_loggers.stream.v3 import stream_pb2
from envoy.extensions.formatter.req_without_query.v3 import req_without_query_pb2

from isthmus.ir.mesh import AccessLog
from isthmus.model.log_formats import operators
from isthmus.model.log_operators import WITHOUT_QUERY
from isthmus.xds.sources import packed

_Logger: TypeAlias = file_pb2.FileAccessLog | stream_pb2.StdoutAccessLog | stream_pb2.StderrAccessLog

_FILE = "envoy.access_loggers.file"
_STREAMS: Mapping[str, tuple[str, Callable[[], _Logger]]] = {
    "/dev/stdout": ("envoy.access_loggers.stdout", stream_pb2.StdoutAccessLog),
    "/dev/stderr": ("envoy.access_loggers.stderr", stream_pb2.StderrAccessLog),
}


def written(log: AccessLog | None) -> Iterator[accesslog_pb2.AccessLog]:
    """The logger of a node or gateway, if it asked for one; nothing else in a listener depends on who asks."""
    if log is None:
        return
    name, made = _STREAMS.get(log.path, (_FILE, lambda: file_pb2.FileAccessLog(path=log.path)))
    logger = made()
    if log.text is not None or log.members is not None:
        logger.log_format.CopyFrom(_format(log))
    yield accesslog_pb2.AccessLog(name=name, typed_config=packed(logger))


def _format(log: AccessLog) -> format_pb2.SubstitutionFormatString:
    out = format_pb2.SubstitutionFormatString()
    if log.text is not None:
        out.text_format_source.inline_string = log.text
    else:
        out.json_format.SetInParent()  # without members, lines of {}
        out.json_format.update(dict(log.members or ()))
    texts = (log.text or "", *(value for _, value in log.members or ()))
    if any(WITHOUT_QUERY in operators(text) for text in texts):
        formatter = packed(req_without_query_pb2.ReqWithoutQuery())
        out.formatters.add(name="envoy.formatter.req_without_query", typed_config=formatter)
    return out
