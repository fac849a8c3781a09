"""Ports and places: what is taken is named before anything starts, and by whom."""

import os
import socket
from pathlib import Path

import pytest

from isthmus.embedded import ports
from isthmus.embedded.places import InUse, Places, write_private


def test_a_taken_port_is_named_with_the_process_that_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ports.PortTaken, match=rf"port {port} is taken by process {os.getpid()} \(.+\)"):
            ports.claim([port], patience=0.1)


@pytest.mark.parametrize("family", ["", "::"], ids=["every IPv4 address", "every address"])
def test_a_listener_on_every_address_takes_the_port_too(family: str) -> None:
    kind = socket.AF_INET6 if ":" in family else socket.AF_INET
    with socket.create_server((family, 0), family=kind, dualstack_ipv6=":" in family) as taken:
        assert not ports.is_free(taken.getsockname()[1])


@pytest.mark.parametrize("base", [80, 31999 + 1, 65000])
def test_a_base_out_of_range_is_refused(base: int) -> None:
    with pytest.raises(ValueError, match="port base"):
        ports.check_base(base)


def test_a_free_range_is_found_and_is_free() -> None:
    base = ports.free_base(range(20), seed=os.getpid())
    assert all(ports.is_free(base + offset) for offset in range(20))


def test_two_cannot_run_on_one_data_directory(short: Path) -> None:
    first = Places.open(short / "data")
    with first.lock(), pytest.raises(InUse, match=f"process {os.getpid()}"):
        Places.open(short / "data").lock()
    Places.open(short / "data").lock().close()


def test_the_sockets_path_is_short_however_long_the_data_directorys(short: Path) -> None:
    places = Places.open(short / ("long" * 30))
    folder = places.sockets()
    try:
        assert len(os.fsencode(folder)) < 80
        assert folder.stat().st_mode & 0o777 == 0o700
    finally:
        folder.rmdir()


def test_a_socket_folder_that_others_may_enter_is_refused(short: Path) -> None:
    places = Places.open(short)
    (short / "run").mkdir(mode=0o755)
    with pytest.raises(RuntimeError, match="nobody else may enter"):
        places.sockets()


def test_what_is_written_privately_is_readable_by_us_alone(short: Path) -> None:
    write_private(short / "new" / "secret.json", {"token": "t"})
    assert (short / "new" / "secret.json").stat().st_mode & 0o777 == 0o600
    assert [p.name for p in (short / "new").iterdir()] == ["secret.json"]
