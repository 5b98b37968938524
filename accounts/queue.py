"""Wakes the workers by a task's name, after the commit.

A lost wake-up costs seconds: the row is the queue and a sweep finds it. So a broker that is away never fails a request.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

Transport = Callable[[str, tuple[int, ...], float], None]


def send_by_celery(task: str, arguments: tuple[int, ...], delay_seconds: float) -> None:
    """Publish the wake-up; where the broker is away, say so and leave the work to the sweep."""
    try:
        current_app.send_task(task, args=arguments, countdown=delay_seconds or None, retry=False)
    except (OperationalError, OSError):
        logger.warning("No broker: %s%s waits for the sweep", task, arguments)


_transport: ContextVar[Transport] = ContextVar("transport", default=send_by_celery)


def wake(task: str, *arguments: int, delay_seconds: float = 0) -> None:
    """Wake `task` with these ids once the present transaction is committed."""
    transaction.on_commit(partial(_transport.get(), task, arguments, delay_seconds))


@contextmanager
def carried_by(transport: Transport) -> Iterator[None]:
    """Carry wake-ups by `transport` within this context: a replay drives its tasks itself, on the tape's clock."""
    token = _transport.set(transport)
    try:
        yield
    finally:
        _transport.reset(token)
