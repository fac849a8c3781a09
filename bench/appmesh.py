"""appmesh: how long one write takes at 50 a second, and how many describes one API process answers.

The requests are boto3's own bytes, signed by botocore when they are sent, to a whole `isthmus up` that compiles what is
written meanwhile. A write's time begins when it was due, so a server that falls behind cannot hide it.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Mapping
from typing import Any

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bench import Figure
from bench.control_plane import running

RATE, ROUNDS, SECONDS = 50, 3, 12.0
NODES = 100
READERS, READING_SECONDS = 8, 6.0
MESH = "/v20190125/meshes"


def run() -> list[Figure]:
    """Writes in several rounds, the median of their p50 and p99; then describes as fast as they come."""
    with running() as ready:
        return asyncio.run(_measure(Client(ready)))


class Client:
    """Signs and sends what boto3 would."""

    def __init__(self, ready: Mapping[str, Any]) -> None:
        aws = ready["aws"]
        self._url, self._region = ready["api"], aws["region"]
        self._credentials = Credentials(aws["access_key_id"], aws["secret_access_key"])
        self._http = httpx.AsyncClient(limits=httpx.Limits(max_connections=32, max_keepalive_connections=32))

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        """One call, which must be accepted."""
        content = json.dumps(body).encode() if body is not None else b""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        request = AWSRequest(method, self._url + path, headers, data=content)
        SigV4Auth(self._credentials, "appmesh", self._region).add_auth(request)
        answer = await self._http.request(method, request.url, headers=dict(request.headers.items()), content=content)
        assert answer.status_code == 200, answer.text

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()


async def _measure(client: Client) -> list[Figure]:
    await client.call("PUT", MESH, {"meshName": "bench"})
    for i in range(NODES):
        await client.call("PUT", f"{MESH}/bench/virtualNodes", {"virtualNodeName": f"n{i}", "spec": _spec(0)})
    rounds = [await _write(client, number) for number in range(ROUNDS)]
    reads = await _read(client)
    await client.close()
    p50 = statistics.median(statistics.quantiles(times, n=100)[49] for times in rounds)
    p99 = statistics.median(statistics.quantiles(times, n=100)[98] for times in rounds)
    writes = sum(map(len, rounds))
    return [
        Figure("App Mesh API: one write at 50 a second, p50", round(p50, 1), "ms", 50.0, writes),
        Figure("App Mesh API: one write at 50 a second, p99", round(p99, 1), "ms", 50.0, writes),
        Figure("App Mesh API: describes a second, one API process", round(reads / READING_SECONDS), "/s", None, reads),
    ]


async def _write(client: Client, number: int) -> list[float]:
    """Milliseconds of each write of one round."""
    loop, times = asyncio.get_running_loop(), []
    began = loop.time()

    async def write(i: int) -> None:
        due = began + i / RATE
        await asyncio.sleep(max(0.0, due - loop.time()))
        spec = {"spec": _spec(number * 10_000 + i + 1)}
        await client.call("PUT", f"{MESH}/bench/virtualNodes/n{i % NODES}", spec)
        times.append((loop.time() - due) * 1000)

    await asyncio.gather(*(write(i) for i in range(int(RATE * SECONDS))))
    return times


async def _read(client: Client) -> int:
    """How many describes are answered while several clients ask without a pause."""
    end, count = time.monotonic() + READING_SECONDS, 0

    async def read() -> None:
        nonlocal count
        while time.monotonic() < end:
            await client.call("GET", f"{MESH}/bench/virtualNodes/n{count % NODES}")
            count += 1

    await asyncio.gather(*(read() for _ in range(READERS)))
    return count


def _spec(number: int) -> Mapping[str, Any]:
    """A node that differs from every other by its number."""
    listener = {"portMapping": {"port": 1 + number % 65535, "protocol": "http"}}
    return {"listeners": [listener], "serviceDiscovery": {"dns": {"hostname": "node.local"}}}
