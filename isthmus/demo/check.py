"""check: the demo unattended: every question of the scenario, then that nothing is left, as one report."""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from isthmus.demo import evidence
from isthmus.demo.layout import Layout
from isthmus.demo.report import Report
from isthmus.demo.run import Demo, Options, base_of, place, prepared, run
from isthmus.demo.scenario import QUESTIONS, Stage, Wrong
from isthmus.demo.shop import Shop
from isthmus.embedded import ports
from isthmus.embedded.installation import Installation
from isthmus.embedded.rise import again
from isthmus.embedded.steps import Steps
from isthmus.store.database import Database


def check(options: Options) -> bool:
    """Whether everything held. The report goes to stdout as JSON if that was asked for, progress to stderr."""
    report = Report(Steps())
    with place(options) as places:
        base = base_of(places, options.port_base) or _free_base(places.root)
        installation, plan = prepared(places, base)
        supervisor = run(installation, plan, report.steps, partial(_asked, report))
        report.ask("at the end no process and no socket is left", lambda: _left(supervisor.all_pids(), installation))
    if options.json:
        sys.stdout.write(json.dumps(report.json(), indent=2) + "\n")
    report.steps.say(f"{'all held' if report.ok else 'NOT all held'}, {report.json()['seconds']:.1f} s")
    return report.ok


def _asked(report: Report, demo: Demo) -> None:
    """Start, and put every question to what has started; then end it."""
    stages: list[Stage] = []
    try:
        if report.ask("the demo starts from nothing", lambda: _started(demo, stages)):
            for name, question in QUESTIONS:
                report.ask(name, partial(question, stages[0]))
    finally:
        for stage in stages:
            stage.close()
        demo.supervisor.finish()


def _started(demo: Demo, stages: list[Stage]) -> Mapping[str, Any]:
    """Bring the demo up, and set the stage for the questions."""
    credentials, user = demo.rise()
    database = Database(demo.installation.settings().database_url, pool_size=2)
    prove = partial(again, demo.installation, demo.supervisor, database, UUID(credentials.org_id))
    shop = Shop(demo.plan.ingress)
    stages.append(Stage(user, shop, demo.plan, demo.installation, demo.supervisor, prove, (user, shop, database)))
    return {"steps": {name: round(seconds, 2) for name, seconds in demo.steps.taken}}


def _left(pids: Iterable[int], installation: Installation) -> Mapping[str, Any]:
    """No process that was started, none that names our directory, and no socket in our range or directory."""
    root, started = installation.places.root, set(pids)
    processes = {*evidence.running(started), *evidence.naming(root)} - {os.getpid()}
    sockets = evidence.listening(range(installation.base, installation.base + ports.SPAN), root)
    if processes or sockets:
        raise Wrong(f"left are the processes {sorted(processes)} and the sockets {sockets}")
    return {"processes_started": len(started), "processes_left": 0, "sockets_left": 0}


def _free_base(root: Path) -> int:
    """Free ports; those of two checks that begin together differ by their directories."""
    offsets = {port for _, port in Layout(0).listeners()} | set(range(20))
    return ports.free_base(sorted(offsets), seed=hash(root))
