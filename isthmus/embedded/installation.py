"""installation: the control plane on one machine: which processes, with what settings, on which ports.

The same commands that production's image runs, told by the same settings; only PostgreSQL, Valkey and the files of keys
are particular to it. Ports are fixed offsets from the base, so that two installations never meet by chance.
"""

import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from isthmus.embedded.child import Program
from isthmus.embedded.places import Places
from isthmus.embedded.postgres import Postgres
from isthmus.embedded.valkey import Valkey
from isthmus.settings import PREFIX, Settings
from isthmus.values import BASE_DOMAIN

DATABASE = "isthmus"
API_PORT, HUB_PORT, HUBS = 0, 10, 20
"""Offsets from the base: the API's, the first hub's (two for each), and how many hubs there may be."""
POSTGRES, VALKEY = "postgres", "valkey"
STORES = (POSTGRES, VALKEY)


@dataclass(frozen=True)
class Installation:
    """One data directory, one port base, one hub for each region (the first is where new meshes have their home)."""

    places: Places
    base: int
    regions: tuple[str, ...]
    base_domain: str = BASE_DOMAIN

    def __post_init__(self) -> None:
        if not 0 < len(set(self.regions)) == len(self.regions) <= HUBS:
            raise ValueError(f"there must be 1 to {HUBS} regions, each once, not {', '.join(self.regions) or 'none'}")

    @property
    def api(self) -> str:
        """Where the API is served."""
        return f"http://127.0.0.1:{self.base + API_PORT}"

    def link(self, region: str) -> str:
        """Where a region's hub serves agents."""
        return f"127.0.0.1:{self.base + HUB_PORT + 2 * self.regions.index(region)}"

    def enrolment(self, region: str) -> str:
        """Where a region's hub lets agents in."""
        return f"127.0.0.1:{self.base + HUB_PORT + 2 * self.regions.index(region) + 1}"

    def ports(self) -> Sequence[int]:
        """Every TCP port that the control plane listens on."""
        addresses = [f(region) for region in self.regions for f in (self.link, self.enrolment)]
        return [self.base + API_PORT, *(int(a.rpartition(":")[2]) for a in addresses)]

    def stores(self) -> tuple[Program, Program]:
        """Valkey, then PostgreSQL, whose first preparation takes a moment."""
        valkey = Program.of(VALKEY, self.valkey(), signal.SIGTERM)
        return valkey, Program.of(POSTGRES, self.postgres(), signal.SIGINT)

    def valkey(self) -> Valkey:
        """The server as a child to be, and as the maker of its URL."""
        return Valkey(self.places.valkey, self.places.sockets())

    def postgres(self) -> Postgres:
        """The server as a child to be, and as the maker of its URLs."""
        return Postgres(self.places.postgres, self.places.sockets())

    def admin_url(self) -> str:
        """As who may make roles and databases."""
        return self.postgres().url(DATABASE, "postgres")

    def processes(self) -> tuple[Program, ...]:
        """Our own, to be run when the schema is there."""
        api = self._process("api", self.settings(), listens(self.api.removeprefix("http://")))
        quiet = (self._process(name, self.settings()) for name in ("worker", "beat", "relay"))
        return (api, *quiet, *(self._hub(region) for region in self.regions))

    def settings(self, **more: str) -> Settings:
        """What every process is told; `more` are settings of one process alone."""
        places = self.places
        common = Settings(
            database_url=self.postgres().url(DATABASE, "isthmus_app"),
            valkey_url=self.valkey().url,
            master_key_file=places.master_key,
            link_ca_cert=places.link_ca_cert,
            link_ca_key=places.link_ca_key,
            base_domain=self.base_domain,
            api_bind=self.api.removeprefix("http://"),
            region=self.regions[0],
        )
        return common.model_copy(update=more)

    def _hub(self, region: str) -> Program:
        link, enrolment = self.link(region), self.enrolment(region)
        addresses = {"hub_link_bind": link, "hub_link_address": link}
        addresses |= {"hub_enrolment_bind": enrolment, "hub_enrolment_address": enrolment}
        name = hub_name(region)
        settings = self.settings(region=region, hub_name=name, **addresses)
        return self._process(name, settings, listens(link))

    def _process(self, name: str, settings: Settings, ready: Callable[[int], bool] = lambda _: True) -> Program:
        command = isthmus(name.partition("-")[0])
        env = environment() | settings.environment()
        return Program(name, lambda: command, lambda: env, needs=STORES, ready=ready)


def hub_name(region: str) -> str:
    """How the process and the row of a region's hub are called."""
    return f"hub-{region}"


def isthmus(*arguments: str) -> Sequence[str]:
    """A command line of ours, run by the Python that runs us."""
    return [sys.executable, "-m", "isthmus.cli.main", *arguments]


def environment() -> dict[str, str]:
    """Ours, without what would configure our processes by accident."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", PREFIX))}
    return kept | {"PYTHONUNBUFFERED": "1"}


def listens(address: str) -> Callable[[int], bool]:
    """Whether something takes connections at HOST:PORT."""
    host, _, port = address.rpartition(":")

    def takes(_pid: int) -> bool:
        with suppress(OSError), socket.create_connection((host, int(port)), timeout=1.0):
            return True
        return False

    return takes
