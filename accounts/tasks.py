"""Wake-ups and the clock's own work: each reads the clock and calls one service."""

import logging
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from celery import shared_task
from django.db import OperationalError
from django.db.models import F
from django.utils import timezone

from accounts.errors import InvalidValue
from accounts.models import AccountLock, AccountSession, Mark
from accounts.permissions import TASK
from accounts.services import audit
from accounts.services.locks import release_due_lock
from accounts.services.sessions import note_failed_roll, roll_session

logger = logging.getLogger(__name__)

TREES_A_TICK = 200
"""Trees rolled at most in one run of the task."""


@shared_task(name="accounts.seal_audit")
def seal_audit() -> None:
    """Link the newest audit entries to the chain."""
    audit.seal()


@shared_task(name="accounts.expire_locks")
def expire_locks() -> None:
    """Lift the locks whose time has come."""
    now = timezone.now()
    due = AccountLock.objects.filter(released_at=None, release_due_at__lte=now).order_by("id")
    for lock_id in due.values_list("pk", flat=True):
        release_due_lock(lock_id=lock_id, now=now)


@shared_task(name="accounts.roll_sessions")
def roll_sessions() -> None:
    """Open the next session of trees whose reset has passed, at the last marks as settlement: so many a tick.

    Those that failed last come last, so that they hold up no other.
    """
    now = timezone.now()
    due = AccountSession.objects.filter(account__parent=None, account__closed_at=None, next_reset_at__lte=now)
    oldest = due.order_by(F("roll_failed_at").asc(nulls_first=True), "next_reset_at", "account_id")
    account_ids = list(oldest.values_list("account_id", flat=True)[:TREES_A_TICK])
    if not account_ids:
        return
    settlements = {mark.instrument.symbol: mark.price for mark in Mark.objects.select_related("instrument")}
    for account_id in account_ids:
        _roll(account_id, settlements, now)


def _roll(account_id: int, settlements: Mapping[str, Decimal], now: datetime) -> None:
    try:
        roll_session(account_id=account_id, settlements=settlements, actor=TASK, now=now)
    except OperationalError:
        raise  # the database, not the tree
    except Exception as error:
        if isinstance(error, InvalidValue):
            logger.warning("Account %s was not rolled: %s", account_id, error)
        else:
            logger.exception("Account %s was not rolled", account_id)
        note_failed_roll(account_id=account_id, now=now)
