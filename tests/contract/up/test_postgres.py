"""The embedded PostgreSQL: starts from nothing, as root too, and again on the same data whatever was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection

from isthmus.embedded import account
from isthmus.embedded.postgres import Postgres
from tests.contract.up.conftest import naming, running
from tests.until import until

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root has a choice of accounts")


def _connect(server: Postgres) -> Connection:
    return psycopg.connect(server.url("postgres", "postgres").replace("+psycopg", ""), autocommit=True)


def _rows(server: Postgres) -> list[int]:
    with _connect(server) as connection:
        return [row[0] for row in connection.execute("SELECT n FROM kept ORDER BY n").fetchall()]


def test_it_takes_connections_from_its_own_socket_only(short: Path) -> None:
    with Postgres(short / "data", short / "run", durable=False) as server, _connect(server) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert (short / "run").stat().st_mode & 0o777 == 0o700


def test_what_was_committed_is_there_after_kill_9_and_a_start_on_the_same_data(short: Path) -> None:
    with Postgres(short / "data", short / "run") as server:
        with _connect(server) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        os.kill(server.pid, signal.SIGKILL)
        with Postgres(short / "data", short / "run") as again:
            assert _rows(again) == [7]


def test_a_stale_pid_file_that_names_a_living_stranger_does_not_stop_it(short: Path) -> None:
    with Postgres(short / "data", short / "run", durable=False):
        pass
    stale = f"{os.getppid()}\n{short}/data/cluster\n1700000000\n5432\n"
    (short / "data" / "cluster" / "postmaster.pid").write_text(stale)
    (short / "run" / ".s.PGSQL.5432.lock").write_text(stale)
    with Postgres(short / "data", short / "run", durable=False) as server, _connect(server) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_first_start_killed_half_way_is_as_if_it_had_not_begun(short: Path) -> None:
    (short / "data" / "fresh").mkdir(parents=True)
    (short / "data" / "fresh" / "PG_VERSION").write_text("18\n")
    with Postgres(short / "data", short / "run", durable=False) as server:
        assert running(server.pid)


def test_pg_variables_do_not_leak_into_it(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGPORT", "1")
    with Postgres(short / "data", short / "run", durable=False) as server, _connect(server) as connection:
        assert connection.execute("SHOW port").fetchone() == ("5432",)


def test_it_ends_when_its_parent_is_killed_9(short: Path) -> None:
    script = "from isthmus.embedded.postgres import Postgres; from pathlib import Path; import signal\n"
    script += f"Postgres(Path({str(short / 'data')!r}), Path({str(short / 'run')!r}), durable=False).start()\n"
    script += "print('ready', flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        assert naming(short / "data")
        parent.kill()
    until(lambda: not naming(short / "data"))


def test_a_path_too_long_for_a_socket_is_said_at_once(short: Path) -> None:
    with pytest.raises(ValueError, match="108 bytes"):
        Postgres(short, short / ("x" * 100))


@AS_ROOT
def test_below_a_directory_of_roots_alone_nobodys_permissions_change(short: Path) -> None:
    before = short.stat().st_mode
    with Postgres(short / "deep" / "data", short / "run", durable=False) as server:
        assert running(server.pid)
    assert short.stat().st_mode == before
    assert all(path.lstat().st_uid == 0 for path in short.rglob("*"))


@AS_ROOT
def test_where_user_namespaces_are_forbidden_its_data_lies_elsewhere_and_is_found_again(short: Path) -> None:
    with Postgres(short / "data", short / "run", durable=False, account=account.somebody()) as server:
        with _connect(server) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 8 AS n")
        os.kill(server.pid, signal.SIGKILL)
    elsewhere = Path((short / "data" / "elsewhere").read_text())
    try:
        with Postgres(short / "data", short / "run", durable=False) as again:
            assert _rows(again) == [8]
        assert not (short / "data" / "cluster").exists()
    finally:
        subprocess.run(["rm", "-r", elsewhere], check=True)  # noqa: S607
