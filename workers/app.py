"""The Celery app: messages are wake-ups that carry a promise's id; the work and its end are in PostgreSQL.

So every task may be delivered twice, late or never: a promise that is done is passed over, and one that is not is sent
again by the relay. The settings are platform.md §5's, each proven there by killing processes; never turn remote control
off (trap 2: a worker with full slots would not notice that the broker died).
"""

from celery import Celery

from isthmus.settings import Settings

BEAT_SECONDS = 1.0
SWEEP_SECONDS = 5.0


def create_app(settings: Settings) -> Celery:
    """The app of one process, without tasks: beat and relay only send, and must not wait for the compiler's imports."""
    app = Celery("isthmus", broker=settings.valkey_url)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=True,
        task_ignore_result=True,
        broker_transport_options={
            "visibility_timeout": 600,
            "unacked_restore_interval": 2,
            "unacked_restore_throttle": 1,
            "unacked_restore_limit": 500,
            "health_check_interval": 5,
            "global_keyprefix": "isthmus:",
        },
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_publish_retry=True,
        task_publish_retry_policy={"max_retries": 3, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.5},
        worker_hijack_root_logger=False,
        beat_schedule={
            "tick": {"task": "tick", "schedule": BEAT_SECONDS, "options": {"expires": 10}},
            "sweep": {"task": "sweep", "schedule": SWEEP_SECONDS, "options": {"expires": 10}},
        },
    )
    return app
