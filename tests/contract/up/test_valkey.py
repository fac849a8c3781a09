"""The embedded Valkey: on a socket, keeping what it was given over kill -9."""

import os
import signal
from pathlib import Path

import redis

from isthmus.embedded.valkey import Valkey


def _client(server: Valkey) -> "redis.Redis":
    return redis.Redis.from_url(server.url.replace("redis+socket", "unix"))


def test_it_keeps_what_it_was_given_over_kill_9(short: Path) -> None:
    with Valkey(short / "data", short / "run") as server, _client(server) as client:
        client.lpush("queue", *range(1000))
        os.kill(server.pid, signal.SIGKILL)
        with Valkey(short / "data", short / "run"):
            assert client.llen("queue") == 1000


def test_it_never_evicts_and_listens_on_no_port(short: Path) -> None:
    with Valkey(short / "data", short / "run") as server, _client(server) as client:
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert client.config_get("port")["port"] == "0"
        assert (short / "run" / "valkey.sock").stat().st_mode & 0o777 == 0o700
