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
        "task_routes": {"liquidation.*": {"queue": "kill"}, "accounts.*": {"queue": "default"}},
        "worker_hijack_root_logger": False,
        "beat_schedule": {
            "sweep-runs": {"task": "liquidation.sweep_runs", "schedule": 2.0},
            "sweep-orders": {"task": "liquidation.sweep_orders", "schedule": 2.0},
            "reconcile-orders": {"task": "liquidation.reconcile_orders", "schedule": 15.0},
            "seal-audit": {"task": "accounts.seal_audit", "schedule": 5.0},
            "roll-sessions": {"task": "accounts.roll_sessions", "schedule": 15.0},
            "expire-locks": {"task": "accounts.expire_locks", "schedule": 5.0},
        },
    }


app.add_defaults(_configuration)
app.autodiscover_tasks()
