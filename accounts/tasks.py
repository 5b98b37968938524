"""Wake-ups and the clock's own work: each reads the clock and calls one service."""

import logging
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from accounts.errors import InvalidValue
from accounts.models import AccountLock, AccountSession, Mark
from accounts.permissions import TASK
from accounts.services import audit
from accounts.services.locks import release_due_lock
from accounts.services.sod import roll_session

logger = logging.getLogger(__name__)


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
    """Open the next session of every account whose reset has passed, at the last marks as settlement."""
    now = timezone.now()
    settlements = {mark.instrument.symbol: mark.price for mark in Mark.objects.select_related("instrument")}
    # No session is shorter than this, so nearly every tick looks at no account at all.
    old = AccountSession.objects.filter(account__closed_at=None, started_at__lte=now - timedelta(hours=20))
    for account_id in old.values_list("account_id", flat=True):
        try:
            roll_session(account_id=account_id, settlements=settlements, actor=TASK, now=now)
        except InvalidValue as error:
            logger.error("Account %s was not rolled: %s", account_id, error)  # noqa: TRY400 - an operator's line, no trace
