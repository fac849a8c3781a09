"""The worker's app: the messages of `app`, and what is done about them, with a connection pool of its own."""

from celery import Celery

from isthmus.settings import Settings
from isthmus.store.database import Database
from workers import tasks
from workers.app import create_app
from workers.warm import calm_collector


def create_worker(settings: Settings) -> Celery:
    """The app of a worker process."""
    calm_collector()
    app = create_app(settings)
    tasks.register(app, Database(settings.database_url), settings)
    return app
