"""`isthmus api|worker|beat|relay|hub`: the control plane's processes, one command each, all told by settings.

Each reads and checks its settings before it imports anything heavy or opens a socket. In production an image runs these
commands; `isthmus up` runs the same ones as children.
"""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from isthmus.settings import Settings

PANEL = "Processes of the control plane"
WORKER_THREADS = 4


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (api, worker, beat, relay, hub):
        app.command(rich_help_panel=PANEL)(command)


def migrate() -> None:
    """Bring the database to the newest schema, from nothing if need be, and end."""
    settings = _settings("migrate")
    from isthmus.store.migrate import upgrade

    upgrade(settings.database_url)


def api() -> None:
    """Serve HTTP: /v1 and what the console and AWS's clients need."""
    settings = _settings("api")
    import uvicorn

    from api.app import create_app
    from isthmus.hostport import parted

    host, port = parted(settings.api_bind)
    uvicorn.run(create_app(settings), host=host, port=port, access_log=False, timeout_graceful_shutdown=5)


def worker() -> None:
    """Keep promises: compile, roll out."""
    settings = _settings("worker")
    import warnings

    from celery.exceptions import SecurityWarning

    from workers.worker import create_worker

    warnings.simplefilter("ignore", SecurityWarning)  # about pickled messages to root; ours are JSON with an id

    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    options = ["--pool", "threads", "--concurrency", str(WORKER_THREADS), "--loglevel", "WARNING", *quiet]
    create_worker(settings).worker_main(["--quiet", "worker", *options])


def beat() -> None:
    """Send what is done by the clock. Its schedule is fixed, so it keeps nothing on disk."""
    settings = _settings("beat")
    from workers.app import create_app

    create_app(settings).Beat(scheduler_cls="celery.beat:Scheduler", loglevel="WARNING", quiet=True).run()


def relay() -> None:
    """Carry due promises from PostgreSQL to the workers."""
    settings = _settings("relay")
    from workers.relay import run

    run(settings)


def hub() -> None:
    """Serve the agents of a region."""
    from isthmus.settings import HUB

    settings = _settings("hub", *HUB)
    from gateway.feeds.signing import issuing
    from gateway.feeds.store import StoreFeed
    from gateway.hub.serve import run
    from isthmus.adapters.sealer import Sealer
    from isthmus.store.database import Database

    sealer = Sealer.load(settings.master_key_file)
    run(settings, StoreFeed(Database(settings.database_url), settings.libpq_url, issuing(sealer), sealer))


def _settings(process: str, *needs: str) -> "Settings":
    """Logging to stderr, then the settings; what is wrong with them is listed, and ends the process with 1."""
    import logging
    import os

    from isthmus.settings import Settings

    logging.basicConfig(level="INFO", format=f"%(asctime)s %(levelname)s {process} %(name)s: %(message)s")
    logging.getLogger("celery").setLevel("WARNING")  # it would write two lines for each tick
    return Settings.load(os.environ, require=needs)
