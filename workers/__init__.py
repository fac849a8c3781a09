"""The middle: Celery tasks, one family a file, that carry out promises; a message only says that one is due."""
