"""grpc_client: an application without a proxy: a process of its own, because gRPC reads its bootstrap once.

It makes the calls that it is told on its input, a line of JSON each, and says what came of them on its output.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import grpc.experimental


class Came(NamedTuple):
    """What a call came to: its status, the details, and the application's JSON or None."""

    code: str
    details: str
    said: Any


class Client:
    """The process. `environment` is all that it is told, as `grpc.env` has it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__))],
            env={**environment, "PATH": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # C-core's own words about what fails on purpose
            text=True,
        )

    def calls(self, target: str, count: int = 1, **more: Any) -> list[Came]:  # noqa: ANN401 - see `_call`
        """Calls one after another; `more`: method, metadata, seconds, credentials."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"target": target, "count": count} | more) + "\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline()
        assert said, f"the application has ended: {self._process.wait(5)}"
        return [Came(*each) for each in json.loads(said)]

    def call(self, target: str, **more: Any) -> Came:  # noqa: ANN401 - as above
        """One call."""
        return self.calls(target, 1, **more)[0]

    def shares(self, target: str, count: int, **more: Any) -> Counter[str]:  # noqa: ANN401 - as above
        """How many calls each application answered; failures under their status."""
        return Counter(came.said["app"] if came.said else came.code for came in self.calls(target, count, **more))

    def stop(self) -> None:
        """It ends with its input."""
        self._process.communicate(timeout=30)


def environment(file: Path) -> dict[str, str]:
    """What a file of `NAME=value` lines says, as systemd's EnvironmentFile reads it."""
    return dict(text.split("=", 1) for text in file.read_text().splitlines())


class _Application:
    """The process itself: a channel for each target, with and without credentials."""

    def __init__(self) -> None:
        self._channels: dict[tuple[str, bool], grpc.Channel] = {}

    def once(
        self,
        target: str,
        method: str = "/color.Picker/Pick",
        metadata: Sequence[Sequence[str]] = (),
        seconds: float = 20.0,
        *,
        credentials: bool = True,
    ) -> tuple[str, str, Any]:
        """One call."""
        pairs = tuple((key, value) for key, value in metadata)
        made: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel(target, credentials).unary_unary(method)
        try:
            return "OK", "", json.loads(made(b"", timeout=seconds, metadata=pairs))
        except grpc.RpcError as error:
            return error.code().name, error.details() or "", None

    def _channel(self, target: str, credentials: bool) -> grpc.Channel:  # noqa: FBT001 - part of a key
        key = target, credentials
        if key not in self._channels:
            plain = grpc.experimental.insecure_channel_credentials()  # type: ignore[no-untyped-call]
            self._channels[key] = grpc.secure_channel(
                target, grpc.xds_channel_credentials(plain) if credentials else plain
            )
        return self._channels[key]


def main() -> None:
    """Until its input ends."""
    application = _Application()
    for line in sys.stdin:
        told = json.loads(line)
        count = told.pop("count")
        sys.stdout.write(json.dumps([application.once(**told) for _ in range(count)]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
