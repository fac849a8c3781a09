"""up: what `isthmus up` does: claim place and ports, rise, say where everything is, stay until told to stop."""

import json
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus import values
from isthmus.embedded import ports
from isthmus.embedded.installation import Installation
from isthmus.embedded.places import InUse, Places, default_root, write_private
from isthmus.embedded.steps import Steps
from isthmus.embedded.supervisor import Supervisor
from isthmus.embedded.tail import Tail
from isthmus.embedded.waiting import NotReady, supervised

if TYPE_CHECKING:
    from isthmus.embedded.first_start import Credentials


@dataclass(frozen=True, slots=True)
class Options:
    """The command's."""

    data_dir: Path | None
    port_base: int
    ready_file: Path | None
    regions: tuple[str, ...]
    json: bool


def run(options: Options) -> None:
    """Until Ctrl-C or SIGTERM. What keeps it from starting is said in one line, with exit code 1."""
    try:
        places = Places.open(options.data_dir or default_root())
        regions = tuple(values.region(name) for name in options.regions)
        installation = Installation(places, ports.check_base(options.port_base), regions)
        with places.lock():
            if options.ready_file:
                options.ready_file.unlink(missing_ok=True)  # what a run that was killed said no longer holds
            ports.claim(installation.ports())
            _run(options, installation)
    except (InUse, NotReady, ports.PortTaken, ValueError) as e:
        sys.exit(f"isthmus up: {e}")


def ready(installation: Installation, credentials: "Credentials") -> Mapping[str, Any]:
    """What the ready file says (contracts.md). `hub` is what `isthmus agent --hub` takes."""
    return {
        "api": installation.api,
        "hub": ",".join(installation.enrolment(region) for region in installation.regions),
        "console": f"{installation.api}/docs",
        "org": credentials.org,
        "token": credentials.token,
        "aws": credentials.aws(installation.regions[0]),
    }


def stop_on_signals(supervisor: Supervisor) -> None:
    """Ctrl-C, SIGTERM and a closed terminal all end it in order; a second one changes nothing."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisor.finish())


def _run(options: Options, installation: Installation) -> None:
    steps, begin = Steps(), time.monotonic()
    supervisor = Supervisor(installation.places.logs, lambda name, what: _notice(options, name, what))
    stop_on_signals(supervisor)
    supervisor.add(*installation.stores())
    tail = None if options.json else Tail(installation.places.logs, sys.stdout)

    def work() -> None:
        from isthmus.embedded.rise import rise  # noqa: PLC0415 - heavy, so imported while PostgreSQL starts

        said = ready(installation, rise(installation, supervisor, steps))
        if options.ready_file:
            write_private(options.ready_file, said)
        if options.json:
            sys.stdout.write(json.dumps(said) + "\n")
            sys.stdout.flush()
        steps.say(f"ready after {time.monotonic() - begin:.1f} s\n{_told(installation, said)}")

    try:
        supervised(supervisor, work)
    finally:
        if tail:
            tail.close()
        if options.ready_file:
            options.ready_file.unlink(missing_ok=True)
    steps.say("stopped")


def _notice(options: Options, name: str, what: str) -> None:
    if not options.json and "ended" in what:
        sys.stderr.write(f"  ‼ {name} {what}\n")


def environment_for_aws(said: Mapping[str, Any]) -> str:
    """The command after which AWS's clients speak to this installation, from what its ready file says."""
    aws = said["aws"]
    named = {
        "AWS_ENDPOINT_URL_APP_MESH": said["api"],
        "AWS_ACCESS_KEY_ID": aws["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": aws["secret_access_key"],
        "AWS_DEFAULT_REGION": aws["region"],
    }
    return f"export {' '.join(f'{name}={value}' for name, value in named.items())}"


def _told(installation: Installation, said: Mapping[str, Any]) -> str:
    """What to do next."""
    return "\n".join([
        f"  API       {said['api']}/v1  (described at {said['console']})",
        f"  data      {installation.places.root}",
        f"  sign in   isthmus login --api {said['api']} --token {said['token']}",
        "  then      isthmus cluster add NAME --region REGION, isthmus apply -f FILE",
        f"  App Mesh  {environment_for_aws(said)}",
        "            then boto3, `aws appmesh list-meshes`, any SDK; `isthmus migrate app-mesh` has the rest",
        "  stop      Ctrl-C",
    ])  # fmt: skip
