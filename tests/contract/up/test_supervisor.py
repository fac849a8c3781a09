"""The supervisor: what dies comes back, what is held stays down, and in the end nothing is left, however it ends."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.up.conftest import naming, running
from tests.until import until

NAMES = ("valkey", "postgres", "app", "deaf")


class Keeper:
    """keeper.py, running."""

    def __init__(self, root: Path) -> None:
        self.root, self.notices = root, list[tuple[str, str]]()
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("keeper.py"), root],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def tell(self, order: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()

    def hear(self, name: str, what: str) -> str:
        """The next notice about `name` that contains `what`; the readline ends when the keeper does."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            who, happened = map(str, json.loads(line))
            self.notices.append((who, happened))
            if who == name and what in happened:
                return happened
        raise AssertionError(f"the keeper ended; it said {self.notices}")

    def pid(self, name: str) -> int:
        """The process that was started last under this name."""
        started = [what for who, what in self.notices if who == name and what.startswith("started")]
        return int(started[-1].split()[-1])


@pytest.fixture
def keeper(short: Path) -> Iterator[Keeper]:
    made = Keeper(short)
    made.hear("app", "ready")
    yield made
    made.process.kill()
    made.process.communicate()
    until(lambda: not naming(short))


def test_each_starts_after_those_it_needs(keeper: Keeper) -> None:
    order = [name for name, what in keeper.notices if what.startswith(("ready", "done"))]
    assert order.index("postgres") < order.index("once") < order.index("app")
    assert order.index("valkey") < order.index("app")


def test_a_child_that_dies_is_started_again_later_each_time(keeper: Keeper) -> None:
    waits = []
    for _ in range(3):
        before = keeper.pid("app")
        keeper.tell("kill app")
        waits.append(keeper.hear("app", "starting again").split()[-2])
        keeper.hear("app", "ready")
        assert keeper.pid("app") != before
    assert waits == ["0.1", "0.2", "0.4"]


def test_a_postgres_killed_9_is_ready_again_on_the_same_data(keeper: Keeper) -> None:
    keeper.tell("kill postgres")
    keeper.hear("postgres", "SIGKILL")
    keeper.hear("postgres", "ready")
    assert running(keeper.pid("postgres"))


def test_what_is_held_stays_down_until_it_is_released(keeper: Keeper) -> None:
    keeper.tell("hold valkey")
    assert keeper.hear("valkey", "after hold") == "after hold 0"
    keeper.tell("kill app")  # needs valkey, so it waits for it
    keeper.hear("app", "starting again")
    keeper.tell("release app")
    keeper.hear("app", "after release")
    assert not running(keeper.pid("valkey"), keeper.pid("app"))
    keeper.tell("release valkey")
    keeper.hear("app", "ready")
    assert running(keeper.pid("valkey"), keeper.pid("app"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_stop_leaves_no_process_and_kills_what_does_not_listen(keeper: Keeper, number: signal.Signals) -> None:
    pids = [keeper.pid(name) for name in NAMES]
    assert len(running(*pids)) == len(NAMES)
    keeper.process.send_signal(number)
    keeper.process.communicate(timeout=20)
    assert keeper.process.returncode == 0
    assert not naming(keeper.root)
    assert not running(*pids)
    assert not (keeper.root / "postgres" / "cluster" / "postmaster.pid").exists(), (
        "PostgreSQL was not shut down cleanly"
    )


def test_when_it_is_killed_9_its_children_end_too(keeper: Keeper) -> None:
    pids = [keeper.pid(name) for name in NAMES]
    keeper.process.kill()
    until(lambda: not running(*pids))
    until(lambda: not naming(keeper.root))


def test_logs_are_kept_by_name(keeper: Keeper) -> None:
    assert "deaf" in (keeper.root / "logs" / "deaf.log").read_text()
    assert "ready to accept connections" in (keeper.root / "logs" / "postgres.log").read_text()
