"""finishing: what must not be left half done when the agent is told to stop meanwhile.

A cancelled coroutine leaves its thread running, which would write into a folder whose lock has been given up already;
and gRPC can stop a server that runs, but not one whose start was cancelled.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

Args = ParamSpec("Args")
T = TypeVar("T")


async def whole(act: Awaitable[T]) -> T:
    """What `act` gives; if we are cancelled, only after it is done."""
    running = asyncio.ensure_future(act)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise


async def finished(act: Callable[Args, T], *args: Args.args, **kwargs: Args.kwargs) -> T:
    """What `act` returns, from a thread; if we are cancelled, only after that thread is done."""
    return await whole(asyncio.to_thread(act, *args, **kwargs))
