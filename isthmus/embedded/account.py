"""Whom PostgreSQL runs as: it refuses root, and its files may lie below a directory that only root may enter.

As root we give it a user namespace in which it is nobody special and yet reaches what root owns. Where that is
forbidden (some containers) it becomes `postgres` or `nobody`, which cannot pass a 0700 parent: then its files must lie
elsewhere. Nobody's permissions are changed either way: no chown and no chmod of anything we did not make.
"""

import os
import pwd
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """What goes before the program on its command line, and who must own its files if that is not us."""

    prefix: tuple[str, ...] = ()
    owner: tuple[int, int] | None = None

    def reaches(self, program: Path, folder: Path) -> bool:
        """Whether this account can run `program` and write in `folder`, found out by trying."""
        probe = ["sh", "-c", '"$0" --version >/dev/null && test -w "$1"', str(program), str(folder)]
        with suppress(OSError):
            return subprocess.run([*self.prefix, *probe], capture_output=True, cwd="/", check=False).returncode == 0
        return False


OURSELVES = Account()
NAMESPACE = Account(prefix=("unshare", "--user", "--map-user=1000", "--map-group=1000"))


def somebody() -> Account:
    """An account of the machine's; `setpriv` sets the death signal anew, because changing the user clears it."""
    for name in _CANDIDATES:
        with suppress(KeyError):
            who = pwd.getpwnam(name)
            switch = ("setpriv", f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups", "--pdeathsig=INT")
            return Account(prefix=switch, owner=(who.pw_uid, who.pw_gid))
    raise RuntimeError(f"running as root, and none of the accounts {', '.join(_CANDIDATES)} exists for PostgreSQL")


def choose(program: Path, folder: Path) -> Account:
    """Ourselves, unless we are root; then a user namespace if there may be one, else another account."""
    if os.geteuid() != 0:
        return OURSELVES
    return NAMESPACE if NAMESPACE.reaches(program, folder) else somebody()
