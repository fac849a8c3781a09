"""A process that supervises as `isthmus up` does: PostgreSQL, Valkey, and `sleep`s that stand for our own processes.

Arguments: a directory. Prints a line of JSON for each notice, and obeys lines on stdin: `hold NAME`, `release NAME`,
`kill NAME`.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path

from isthmus.embedded.child import Program
from isthmus.embedded.postgres import Postgres
from isthmus.embedded.supervisor import Supervisor
from isthmus.embedded.valkey import Valkey


def _say(name: str, what: str) -> None:
    print(json.dumps([name, what]), flush=True)  # noqa: T201


def _obey(supervisor: Supervisor) -> None:
    for line in sys.stdin:
        order, name = line.split()
        getattr(supervisor, order)(name)
        _say(name, f"after {order} {supervisor.pids().get(name, 0)}")


def _main(root: Path) -> None:
    supervisor = Supervisor(root / "logs", _say)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: supervisor.finish())
    stubborn = "trap '' TERM; echo deaf; while :; do sleep 1; done"
    supervisor.add(
        Program.of("valkey", Valkey(root / "valkey", root / "run"), signal.SIGTERM),
        Program.of("postgres", Postgres(root / "postgres", root / "run", durable=False), signal.SIGINT),
        Program("once", lambda: ["sleep", "0"], lambda: os.environ, needs=("postgres",), once=True),
        Program("app", lambda: ["sleep", "1000"], lambda: os.environ, needs=("once", "valkey")),
        Program("deaf", lambda: ["sh", "-c", stubborn], lambda: os.environ, grace=0.5),
    )
    threading.Thread(target=_obey, args=(supervisor,), daemon=True).start()
    supervisor.run()


_main(Path(sys.argv[1]))
