"""run: the demo from nothing to a shop that answers from both clusters, supervised, in a place of its own."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from isthmus.demo import layout
from isthmus.demo.clusters import Clusters
from isthmus.demo.layout import Layout
from isthmus.demo.shop import Shop, sample
from isthmus.demo.user import User, apply, live
from isthmus.embedded import ports
from isthmus.embedded.first_start import Credentials
from isthmus.embedded.installation import Installation
from isthmus.embedded.places import Places
from isthmus.embedded.rise import rise
from isthmus.embedded.steps import Steps
from isthmus.embedded.supervisor import Supervisor
from isthmus.embedded.up import stop_on_signals
from isthmus.embedded.waiting import supervised, wait


@dataclass(frozen=True, slots=True)
class Options:
    """The command's."""

    data_dir: Path | None
    port_base: int | None
    ready_file: Path | None
    json: bool


@dataclass
class Demo:
    """One run of it."""

    installation: Installation
    plan: Layout
    supervisor: Supervisor
    steps: Steps

    def rise(self) -> tuple[Credentials, User]:
        """From nothing to a shop of which every instance has answered."""
        credentials = rise(self.installation, self.supervisor, self.steps)
        user, clusters = User(self.installation.api, credentials.token), Clusters(self.installation.places, self.plan)
        with self.steps.step("two clusters join"):
            self.supervisor.add(*clusters.applications(), *(clusters.agent(user, name) for name in layout.REGIONS))
        with self.steps.step("isthmus apply -f shop.yaml"):
            apply(user, str(clusters.definition()))
        with self.steps.step("agents"):
            wait(self.supervisor, self.supervisor.ready)
        with self.steps.step(f"wardens and {len(self.plan.proxies())} Envoys"):
            self.supervisor.add(*(clusters.warden(user, name) for name in layout.REGIONS))
            self.supervisor.add(*clusters.envoys())
            wait(self.supervisor, self.supervisor.ready)
        with self.steps.step("the mesh is live and everybody answers"):
            is_live = live(user, layout.MESH, len(self.plan.proxies()))
            wait(self.supervisor, lambda: is_live() is not None)
            self._everybody_answers()
        return credentials, user

    def _everybody_answers(self) -> None:
        shop, answered = Shop(self.plan.ingress), set[str]()
        everybody = {name for held in layout.INSTANCES.values() for name, node in held if node != "front"}

        def all_have() -> bool:
            answered.update(sample(shop, 4).instances)
            return answered == everybody and shop.front().is_success

        wait(self.supervisor, all_have)
        shop.close()


@contextmanager
def place(options: Options) -> Iterator[Places]:
    """The data directory: the one asked for, locked; or a fresh one that is gone afterwards."""
    root = options.data_dir or Path(mkdtemp(prefix="isthmus-"))
    try:
        places = Places.open(root)
        with places.lock():
            yield places
    finally:
        if options.data_dir is None:
            shutil.rmtree(root)


def base_of(places: Places, asked: int | None) -> int | None:
    """The port base of the demo that has its data here, else `asked`.

    ValueError if they differ: its agents and wardens know each other and the hubs by address, and these are the base's.
    """
    kept = places.root / "port-base"
    if kept.exists() and int(kept.read_text()) != (asked or int(kept.read_text())):
        raise ValueError(
            f"{places.root} holds a demo with --port-base {kept.read_text().strip()}; use that, or other data"
        )
    return int(kept.read_text()) if kept.exists() else asked


def prepared(places: Places, base: int) -> tuple[Installation, Layout]:
    """What is to run, all of whose ports are free; PortTaken if one is not."""
    installation, plan = Installation(places, ports.check_base(base), tuple(layout.REGIONS.values())), Layout(base)
    ports.claim(installation.ports())
    for address, port in plan.listeners():
        ports.claim([port], address=address)
    (places.root / "port-base").write_text(f"{base}\n")
    return installation, plan


def run(installation: Installation, plan: Layout, steps: Steps, work: Callable[[Demo], None]) -> Supervisor:
    """Supervise until somebody finishes it, with `work` in another thread; all is stopped when this returns."""
    supervisor = Supervisor(installation.places.logs, lambda name, what: _notice(steps, name, what))
    stop_on_signals(supervisor)
    supervisor.add(*installation.stores())
    supervised(supervisor, lambda: work(Demo(installation, plan, supervisor, steps)))
    return supervisor


def _notice(steps: Steps, name: str, what: str) -> None:
    if "ended" in what or "cannot" in what:
        steps.say(f"    {name} {what}")
