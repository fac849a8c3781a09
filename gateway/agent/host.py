"""host: the agent's two ports for wardens: enrolment by a host token, and the stream that serves a host.

Who a warden is stands in its client certificate and nowhere else: `spiffe://<trust domain>/host/<host>`. Every workload
here has a certificate of the same trust domain, so the path decides, and it is read again at every stream, because a
resumed TLS session would skip the check (SPIRE 1.14.3).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

import grpc

from gateway.agent.ca import Authority
from gateway.agent.cluster import Cluster
from gateway.agent.host_session import HostSession, certificate
from gateway.agent.host_tokens import HostTokens
from gateway.agent.lines import line
from gateway.proto import host_pb2 as host
from gateway.proto import host_pb2_grpc
from isthmus.errors import Denied, IsthmusError, Kind, Unavailable
from isthmus.pki import chain, csr, rules, verify
from isthmus.pki.chain import Untrusted
from isthmus.values import spiffe_name

LOG = logging.getLogger("isthmus.agent.host")
CODES = {
    Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Kind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Kind.CONFLICT: grpc.StatusCode.ABORTED,
    Kind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
}
Context = grpc.aio.ServicerContext[Any, Any]
