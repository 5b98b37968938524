"""The Celery application: queues, the beat's schedule and the delivery guarantees.

The database is the queue and Celery the alarm bell: a lost or doubled message costs seconds, never a liquidation,
because every task re-reads its row and a sweep wakes what was forgotten.
"""

import os
from typing import Any

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "riskadmin.settings")

app = Celery("riskadmin")


def _broker_url(redis_url: str) -> str:
    return redis_url.replace("unix://", "redis+socket://", 1)


TICKS = {
    "sweep-runs": (2.0, "liquidation.sweep_runs"),
    "sweep-orders": (2.0, "liquidation.sweep_orders"),
    "reconcile-orders": (15.0, "liquidation.reconcile_orders"),
    "seal-audit": (5.0, "accounts.seal_audit"),
    "roll-sessions": (15.0, "accounts.roll_sessions"),
    "expire-locks": (5.0, "accounts.expire_locks"),
}


def _every(seconds: float, task: str) -> dict[str, Any]:
    """Return a beat entry; a tick that was not taken by the next one's time is dropped, so that none pile up."""
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


def _configuration() -> dict[str, Any]:
    return {
        "broker_url": _broker_url(settings.REDIS_URL),
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": {"visibility_timeout": 3600, "socket_keepalive": True, "socket_timeout": 30},
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_acks_late": True,
        # A task that kills its worker would come back at once and for ever; the sweep brings it back instead.
        "task_reject_on_worker_lost": False,
        "worker_prefetch_multiplier": 1,
        "task_time_limit": 60,
        "task_soft_time_limit": 45,
        "task_default_queue": "default",
        # Runs and cancels have a queue of their own; no order and no report ever stands before them.
        "task_routes": {
            "liquidation.advance_run": {"queue": "kill"},
            "liquidation.sweep_runs": {"queue": "kill"},
            "liquidation.send_cancel": {"queue": "kill"},
        },
        "worker_hijack_root_logger": False,
        "beat_schedule": {name: _every(seconds, task) for name, (seconds, task) in TICKS.items()},
    }


app.add_defaults(_configuration)
app.autodiscover_tasks()
