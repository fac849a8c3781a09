"""without_six: a host whose kernel has no IPv6 (no socket of that family can be made); run by `test_addresses`.

Prints what its Envoy refuses of a mesh that asks for IPv6, and of one that does not, and what names and addresses lead
to once it is told the IPv4 half alone, as JSON.
"""

import ctypes
import errno
import json
import platform
import socket
import struct
from contextlib import suppress

from tests.contract.envoy.asking import ask
from tests.contract.envoy.naming import Names
from tests.contract.envoy.stage import HTTP, Instance, Stage
from tests.contract.envoy.test_addresses import DB, NEAR, asked, definition, found, greeting

_SOCKET = {"x86_64": 41, "aarch64": 198}
"""The number of the system call."""

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def leave_ipv6() -> None:
    """No socket of IPv6 from here on, for whatever this process starts as well (seccomp, bpf: `man 2 seccomp`)."""
    steps = (
        (0x20, 0, 0, 0),  # which call
        (0x15, 0, 3, _SOCKET[platform.machine()]),
        (0x20, 0, 0, 16),  # its first argument
        (0x15, 0, 1, socket.AF_INET6),
        (0x06, 0, 0, _ERRNO | errno.EAFNOSUPPORT),
        (0x06, 0, 0, _ALLOW),
    )
    body = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = _Program(len(steps), ctypes.addressof(body))
    libc = ctypes.CDLL(None, use_errno=True)
    for said in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)):
        if libc.prctl(*said) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


def main() -> None:
    """Both meshes."""
    leave_ipv6()
    names = Names({})
    stage = Stage(Instance("front", vips=True, serving=False), Instance("near"), Instance("db"))
    stage.dns_servers = (names.at,)
    try:
        said = {ip or "unsaid": {"refused": refused(stage, ip)} | reached(stage, ip) for ip in (None, "IPv6_PREFERRED")}
        print(json.dumps(said))  # noqa: T201 - its output
    finally:
        stage.stop()
        names.stop()


def refused(stage: Stage, preference: str | None) -> list[str]:
    """What the Envoy says to all that it would get elsewhere."""
    stage.six = True
    with suppress(AssertionError):
        stage.apply(definition(NEAR, DB, ip=preference))
    said = list(stage.ads.refused)
    stage.kill("front")  # the tests' ADS never sends again what was refused with others
    stage.ads.refused.clear()
    return said


def reached(stage: Stage, preference: str | None) -> dict[str, object]:
    """What the IPv4 half leads to; whatever else is refused ends this."""
    stage.six = False
    stage.apply(definition(NEAR, DB, ip=preference))
    (address,), (db,) = found(stage, NEAR), found(stage, DB)
    there = {"http": ask(address, HTTP, NEAR).by, "tcp": greeting(db).decode()}
    return there | {"AAAA": asked(stage, NEAR, "AAAA").header.rcode}


if __name__ == "__main__":
    main()
