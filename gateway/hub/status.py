"""status: the one table from what a caller can do to what gRPC calls it.

The stable code travels in the trailing metadata `isthmus-code`, so that an agent acts on codes and never on words. Our
own bugs become INTERNAL and say nothing; the log has the rest.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from isthmus.errors import IsthmusError, Kind

log = logging.getLogger(__name__)

CODE_KEY = "isthmus-code"
CODES = {
    Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Kind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Kind.CONFLICT: grpc.StatusCode.ABORTED,
    Kind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
}

Context = grpc.aio.ServicerContext[Any, Any]


@asynccontextmanager
async def answering(context: Context, call: str) -> AsyncIterator[None]:
    """Ends the call with the status of whatever is raised inside, and logs it in one line with the caller's address."""
    try:
        yield
    except (asyncio.CancelledError, grpc.aio.AbortError):
        raise
    except Exception as raised:
        error = first(raised)
        if isinstance(error, IsthmusError):
            log.warning("%s refused for %s: %s: %s", call, context.peer(), error.code, error)
            await context.abort(CODES[error.kind], str(error), ((CODE_KEY, error.code),))
        log.exception("%s failed for %s", call, context.peer())
        await context.abort(grpc.StatusCode.INTERNAL, "internal error", ((CODE_KEY, "internal"),))


def first(raised: BaseException) -> BaseException:
    """The cause in a group of tasks that failed together: one of ours before anything else."""
    while isinstance(raised, BaseExceptionGroup):
        known = raised.subgroup(IsthmusError) or raised
        raised = known.exceptions[0]
    return raised
