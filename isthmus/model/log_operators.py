"""log_operators: the command operators of Envoy's log formats, and what each takes in its brackets.

Closed, and held against the real Envoy of our release by tests/contract/envoy/test_log_formats.py.
"""

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple

Check = Callable[[str], str | None]


class Brackets(Enum):
    """Whether an operator has an argument."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


class Operator(NamedTuple):
    """`refused` says why an argument (empty, if none is given) will not do; `cut`: it may end in `:LENGTH`."""

    brackets: Brackets = Brackets.NONE
    refused: Check = lambda _: None
    cut: bool = False


UNJUDGED = frozenset({"CEL", "TYPED_CEL", "COALESCE"})
"""Left out on purpose: programs and JSON with more operators in it, which only Envoy's own parsers can judge."""

WITHOUT_QUERY = "REQ_WITHOUT_QUERY"
"""App Mesh's documentation names it; Envoy knows it by an extension that the log has to bring."""

_HEADER = re.compile(r":?[!#$%&'*+\-.0-9A-Z^_`a-z|~]+")
"""RFC 9110's tokens, and HTTP/2's pseudo headers."""

_NEWLINE = re.compile(r"%[-_0^#]*[1-9]*[EO]?n")
"""How strftime says a newline: Envoy looks for it like this, and refuses it (a line could be forged)."""


def _headers(argument: str) -> str | None:
    """`main?alternative`; either may be empty, only both missing is a missing argument."""
    names = argument.split("?")
    if len(names) > 2:  # noqa: PLR2004 - the main header and its alternative
        return "names more than one alternative header"
    wrong = [name for name in names if name and not _HEADER.fullmatch(name)]
    return f"{wrong[0]!r} is not the name of a header" if wrong else None


def _time(argument: str) -> str | None:
    return "must not contain a newline (%n)" if _NEWLINE.search(argument) else None


def _one_of(*words: str) -> Check:
    return lambda argument: None if argument in ("", *words) else f"must be {' or '.join(words)}"


def _duration(argument: str) -> str | None:
    """From one point in time to another, and in which unit."""
    parts = argument.split(":")
    if len(parts) not in (2, 3):
        return "must be START:END or START:END:UNIT"
    return None if parts[2:] in ([], ["ms"], ["us"], ["ns"]) else f"{parts[2]!r} is not ms, us or ns"


def _path(argument: str) -> str | None:
    query, _, which = argument.partition(":")
    wrong = _one_of("WQ", "NQ")(query)
    return wrong or _one_of("ORIG", "PATH", "ORIG_OR_PATH")(which.partition(":")[0])


def _filter_state(argument: str) -> str | None:
    key, _, rest = argument.partition(":")
    form, _, more = rest.partition(":")
    if not key:
        return "must name a key"
    if form not in ("", "PLAIN", "TYPED", "FIELD"):
        return f"{form!r} is not PLAIN, TYPED or FIELD"
    return None if (form == "FIELD") == bool(more.partition(":")[0]) else "FIELD, and nothing else, has a field's name"


def _metadata(argument: str) -> str | None:
    kind = argument.partition(":")[0]
    known = ("DYNAMIC", "CLUSTER", "ROUTE", "UPSTREAM_HOST", "LISTENER", "LISTENER_FILTER_CHAIN", "VIRTUAL_HOST")
    return None if kind in known else f"{kind!r} is not {' or '.join(known)}"


def _certificate_part(argument: str) -> str | None:
    known = ("by", "hash", "cert", "chain", "subject", "uri", "dns")
    return None if argument.lower() in known else f"must be {' or '.join(known)}"


_HEADERS = Operator(Brackets.REQUIRED, _headers, cut=True)
_FREE = Operator(Brackets.REQUIRED, cut=True)
_TIME = Operator(Brackets.OPTIONAL, _time)
_STATE = Operator(Brackets.REQUIRED, _filter_state, cut=True)
_ANYTHING = Operator(Brackets.OPTIONAL)

_WITH_ARGUMENTS: Mapping[str, Operator] = {
    **dict.fromkeys(("REQ", "RESP", "TRAILER", "STREAM_INFO_REQ"), _HEADERS),
    **dict.fromkeys(("REQUEST_HEADER", "RESPONSE_HEADER", "RESPONSE_TRAILER"), _HEADERS),
    WITHOUT_QUERY: Operator(Brackets.OPTIONAL, _headers, cut=True),
    **dict.fromkeys(("START_TIME", "START_TIME_LOCAL", "EMIT_TIME", "EMIT_TIME_LOCAL"), _TIME),
    **{f"{side}_PEER_CERT_V_{end}": _TIME for side in ("DOWNSTREAM", "UPSTREAM") for end in ("START", "END")},
    "COMMON_DURATION": Operator(Brackets.REQUIRED, _duration),
    "GRPC_STATUS": Operator(Brackets.OPTIONAL, _one_of("CAMEL_STRING", "SNAKE_STRING", "NUMBER")),
    "PATH": Operator(Brackets.OPTIONAL, _path, cut=True),
    "QUERY_PARAMS": Operator(Brackets.OPTIONAL, _one_of("ORIG", "DECODED"), cut=True),
    **dict.fromkeys(("QUERY_PARAM", "ENVIRONMENT", "DYNAMIC_METADATA"), _FREE),
    **dict.fromkeys(("CLUSTER_METADATA", "UPSTREAM_METADATA"), Operator(Brackets.REQUIRED)),
    **dict.fromkeys(("FILTER_STATE", "UPSTREAM_FILTER_STATE"), _STATE),
    "METADATA": Operator(Brackets.REQUIRED, _metadata, cut=True),
    "XFCC_VALUE": Operator(Brackets.REQUIRED, _certificate_part, cut=True),
    "RESPONSE_CODE_DETAILS": _ANYTHING,
}

_MASKED = [
    f"{side}_ADDRESS_WITHOUT_PORT"
    for side in (
        "DOWNSTREAM_DIRECT_LOCAL",
        "DOWNSTREAM_DIRECT_REMOTE",
        "DOWNSTREAM_LOCAL",
        "DOWNSTREAM_REMOTE",
        "UPSTREAM_LOCAL",
        "UPSTREAM_REMOTE",
    )
]
"""They take the length of a mask, and any other text as no mask."""

_PLAIN = """
ACCESS_LOG_TYPE BYTES_RECEIVED BYTES_RETRANSMITTED BYTES_SENT CONNECTION_ID CONNECTION_TERMINATION_DETAILS
CUSTOM_FLAGS DOWNSTREAM_CX_RTT DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED
DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT DOWNSTREAM_DETECTED_CLOSE_TYPE DOWNSTREAM_DIRECT_LOCAL_ADDRESS
DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID DOWNSTREAM_DIRECT_LOCAL_PORT DOWNSTREAM_DIRECT_REMOTE_ADDRESS
DOWNSTREAM_DIRECT_REMOTE_PORT DOWNSTREAM_HANDSHAKE_DURATION DOWNSTREAM_HEADER_BYTES_RECEIVED
DOWNSTREAM_HEADER_BYTES_SENT DOWNSTREAM_LOCAL_ADDRESS DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID
DOWNSTREAM_LOCAL_CLOSE_REASON DOWNSTREAM_LOCAL_DNS_SAN DOWNSTREAM_LOCAL_EMAIL_SAN DOWNSTREAM_LOCAL_IP_SAN
DOWNSTREAM_LOCAL_OTHERNAME_SAN DOWNSTREAM_LOCAL_PORT DOWNSTREAM_LOCAL_SUBJECT DOWNSTREAM_LOCAL_URI_SAN
DOWNSTREAM_PEER_CERT DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1 DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256
DOWNSTREAM_PEER_CHAIN_SERIALS DOWNSTREAM_PEER_DNS_SAN DOWNSTREAM_PEER_EMAIL_SAN DOWNSTREAM_PEER_FINGERPRINT_1
DOWNSTREAM_PEER_FINGERPRINT_256 DOWNSTREAM_PEER_IP_SAN DOWNSTREAM_PEER_ISSUER DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256
DOWNSTREAM_PEER_ISSUER_SERIAL DOWNSTREAM_PEER_OTHERNAME_SAN DOWNSTREAM_PEER_SERIAL DOWNSTREAM_PEER_SUBJECT
DOWNSTREAM_PEER_URI_SAN DOWNSTREAM_REMOTE_ADDRESS DOWNSTREAM_REMOTE_PORT DOWNSTREAM_TLS_CIPHER DOWNSTREAM_TLS_GROUP
DOWNSTREAM_TLS_SESSION_ID DOWNSTREAM_TLS_VERSION DOWNSTREAM_TRANSPORT_FAILURE_REASON DOWNSTREAM_WIRE_BYTES_RECEIVED
DOWNSTREAM_WIRE_BYTES_SENT DURATION FILTER_CHAIN_NAME GRPC_STATUS_NUMBER HOSTNAME LISTENER_NAME LOCAL_REPLY_BODY
PACKETS_RETRANSMITTED PROTOCOL REQUESTED_SERVER_NAME REQUEST_DURATION REQUEST_HEADERS_BYTES REQUEST_TX_DURATION
RESPONSE_CODE RESPONSE_DURATION RESPONSE_FLAGS RESPONSE_FLAGS_LONG RESPONSE_HEADERS_BYTES RESPONSE_TRAILERS_BYTES
RESPONSE_TX_DURATION ROUNDTRIP_DURATION ROUTE_NAME ROUTE_RESOLUTION_COUNT ROUTE_RESOLUTION_TIME_US SPAN_ID STREAM_ID
TLS_JA3_FINGERPRINT TLS_JA4_FINGERPRINT TRACE_ID UNIQUE_ID UPSTREAM_CLUSTER UPSTREAM_CLUSTER_RAW
UPSTREAM_CONNECTION_ID UPSTREAM_CONNECTION_IDS_ATTEMPTED UPSTREAM_CONNECTION_POOL_READY_DURATION
UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT UPSTREAM_DETECTED_CLOSE_TYPE
UPSTREAM_HEADER_BYTES_RECEIVED UPSTREAM_HEADER_BYTES_SENT UPSTREAM_HOST UPSTREAM_HOSTS_ATTEMPTED
UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT UPSTREAM_HOST_NAME UPSTREAM_HOST_NAMES_ATTEMPTED
UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT UPSTREAM_HOST_NAME_WITHOUT_PORT UPSTREAM_LOCAL_ADDRESS
UPSTREAM_LOCAL_CLOSE_REASON UPSTREAM_LOCAL_DNS_SAN UPSTREAM_LOCAL_IP_SAN UPSTREAM_LOCAL_PORT UPSTREAM_LOCAL_URI_SAN
UPSTREAM_PEER_CERT UPSTREAM_PEER_DNS_SAN UPSTREAM_PEER_IP_SAN UPSTREAM_PEER_ISSUER UPSTREAM_PEER_SUBJECT
UPSTREAM_PEER_URI_SAN UPSTREAM_PROTOCOL UPSTREAM_REMOTE_ADDRESS UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID
UPSTREAM_REMOTE_PORT UPSTREAM_REQUEST_ATTEMPT_COUNT UPSTREAM_SERVER_NAME UPSTREAM_TLS_CIPHER UPSTREAM_TLS_GROUP
UPSTREAM_TLS_SESSION_ID UPSTREAM_TLS_VERSION UPSTREAM_TRANSPORT_FAILURE_REASON UPSTREAM_WIRE_BYTES_RECEIVED
UPSTREAM_WIRE_BYTES_SENT VIRTUAL_CLUSTER_NAME
"""

OPERATORS: Mapping[str, Operator] = {
    **dict.fromkeys(_PLAIN.split(), Operator()),
    **dict.fromkeys(_MASKED, _ANYTHING),
    **_WITH_ARGUMENTS,
}
"""By name. Names know case: `%protocol%` is not `%PROTOCOL%`."""
