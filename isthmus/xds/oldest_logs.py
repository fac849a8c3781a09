"""oldest_logs: the access log of an Envoy of App Mesh's image, which does not know every operator of our own Envoy.

It refuses a whole listener for one. So each operator that it may not know is written as `-`, as Envoy writes every
value that it does not have; the rest of the line stays.
"""

from collections.abc import Mapping

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.extensions.access_loggers.file.v3 import file_pb2
from envoy.extensions.access_loggers.stream.v3 import stream_pb2

from isthmus.model.log_formats import Command, pieces
from isthmus.xds.sources import packed

_OF_BOTH_SIDES = [
    f"{side}_{what}"
    for side in ("DOWNSTREAM", "UPSTREAM")
    for what in (
        "DECOMPRESSED_HEADER_BYTES_RECEIVED",
        "DECOMPRESSED_HEADER_BYTES_SENT",
        "DETECTED_CLOSE_TYPE",
        "LOCAL_CLOSE_REASON",
        "TLS_GROUP",
    )
]
_OTHERS = """
    DOWNSTREAM_CX_RTT DOWNSTREAM_DIRECT_LOCAL_ADDRESS DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID
    DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT DOWNSTREAM_DIRECT_LOCAL_PORT DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID
    DOWNSTREAM_LOCAL_EMAIL_SAN DOWNSTREAM_LOCAL_OTHERNAME_SAN DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1
    DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256 DOWNSTREAM_PEER_CHAIN_SERIALS DOWNSTREAM_PEER_EMAIL_SAN
    DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256 DOWNSTREAM_PEER_ISSUER_SERIAL DOWNSTREAM_PEER_OTHERNAME_SAN LISTENER_NAME
    QUERY_PARAMS REQUEST_HEADER RESPONSE_HEADER RESPONSE_TRAILER ROUTE_RESOLUTION_COUNT ROUTE_RESOLUTION_TIME_US SPAN_ID
    TLS_JA4_FINGERPRINT UPSTREAM_CONNECTION_IDS_ATTEMPTED UPSTREAM_HOSTS_ATTEMPTED
    UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT UPSTREAM_HOST_NAME UPSTREAM_HOST_NAME_WITHOUT_PORT
    UPSTREAM_HOST_NAMES_ATTEMPTED UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID
    UPSTREAM_SERVER_NAME XFCC_VALUE
"""

UNKNOWN = frozenset((*_OF_BOTH_SIDES, *_OTHERS.split()))
"""Operators that came after 1.34, or may have: what 1.36 does not know (measured), what its release notes call new, and
what we could not date. One is taken out once Envoy's documentation of 1.34 is seen to have it."""

_LOGGERS: Mapping[str, type[file_pb2.FileAccessLog | stream_pb2.StdoutAccessLog | stream_pb2.StderrAccessLog]] = {
    "envoy.access_loggers.file": file_pb2.FileAccessLog,
    "envoy.access_loggers.stdout": stream_pb2.StdoutAccessLog,
    "envoy.access_loggers.stderr": stream_pb2.StderrAccessLog,
}


def understood(log: accesslog_pb2.AccessLog) -> accesslog_pb2.AccessLog:
    """A log as the image's Envoy takes it; one that is no file's stays as it is."""
    made = _LOGGERS.get(log.name)
    if made is None:
        return log
    logger = made.FromString(log.typed_config.value)
    source, members = logger.log_format.text_format_source, logger.log_format.json_format.fields
    if source.inline_string:
        source.inline_string = without_newer(source.inline_string)
    for member in members.values():
        member.string_value = without_newer(member.string_value)
    return accesslog_pb2.AccessLog(name=log.name, typed_config=packed(logger))


def without_newer(text: str) -> str:
    """A format with `-` in place of what the image's Envoy may not know."""
    return "".join("-" if isinstance(p, Command) and _newer(p) else _text(p) for p in pieces(text))


def _text(piece: object) -> str:
    assert isinstance(piece, str | Command), "a format was checked when it was accepted"
    return piece.text if isinstance(piece, Command) else piece


def _newer(command: Command) -> bool:
    """Some operators are old, but not with this argument or length (measured: refused by 1.36)."""
    return (
        command.operator in UNKNOWN
        or (command.operator.endswith("_ADDRESS_WITHOUT_PORT") and bool(command.argument))
        or (command.operator == "METADATA" and command.argument.startswith("LISTENER_FILTER_CHAIN"))
        or (command.operator == "DYNAMIC_METADATA" and command.length)
    )
