"""retries: when a request is tried again, in the words of appmesh.md §3.3.

`reset` joins whenever an HTTP event is named, as App Mesh had it: the answer may have been lost, not only the request.
"""

from isthmus.ir.mesh import Retry
from isthmus.ir.nodes import milliseconds
from isthmus.model.retrying import GrpcRetryPolicy, HttpRetryPolicy

BY_DEFAULT = Retry(2, ("reset", "refused-stream", "connect-failure", "unavailable"), (503,))
"""App Mesh's own for accounts made after 2020-07-29, for routes without a policy and for nodes that provide."""

_STATUSES = {
    "server-error": (500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511),
    "gateway-error": (502, 503, 504),
    "client-error": (409,),
    "stream-error": (),
}


def retry(said: HttpRetryPolicy | GrpcRetryPolicy) -> Retry | None:
    """A policy as given; None if it allows no retry."""
    if said.max_retries == 0:
        return None
    http = said.http_retry_events or ()
    conditions = ["reset"] if http else []
    conditions += ["refused-stream"] if "stream-error" in http else []
    conditions += ["connect-failure"] if said.tcp_retry_events else []
    conditions += (said.grpc_retry_events or ()) if isinstance(said, GrpcRetryPolicy) else ()
    statuses = dict.fromkeys(status for event in http for status in _STATUSES.get(event, ()))
    return Retry(said.max_retries, tuple(conditions), tuple(statuses), milliseconds(said.per_retry_timeout))
