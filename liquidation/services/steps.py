"""Carry a run on, one step at a time: read the state, ask the venue, move on if nobody else has.

Killed at any line, a step can be taken again: orders are intents committed before they are sent, a lease keeps two
workers apart, and its token fences off the one that lost it.
"""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from accounts.permissions import TASK
from accounts.rules.audit import AuditAction
from accounts.rules.readiness import BlockReason
from accounts.services import audit
from liquidation.gateways.base import VenueUnavailable
from liquidation.models import LiquidationRun, RunStep
from liquidation.queue import wake_run
from liquidation.rules.states import RunEvent, RunState
from liquidation.selectors import ACTIVE_STATES
from liquidation.services.alerts import raise_alert
from liquidation.services.canceling import cancel_orders
from liquidation.services.closing import Outcome, close_positions, verify_flat
from liquidation.services.runs import record_event

# Longer than a step takes, and short, because a killed worker's run waits this long for the next one.
LEASE_SECONDS = 5
VENUE_SILENT_SECONDS = 2

STEPS: dict[RunState, Callable[[LiquidationRun, datetime], Outcome]] = {
    RunState.REQUESTED: lambda _run, _now: Outcome(RunEvent.START),
    RunState.CANCELING: cancel_orders,
    RunState.FLATTENING: close_positions,
    RunState.VERIFYING: verify_flat,
}
FLATTEN_CAUSE = "FLATTEN_TIMESTAMP"


def advance(*, run_id: int, now: datetime) -> RunState | None:
    """Take the run's next step; return its state then, None when nothing was due or another worker has it.

    Safe to repeat and safe to lose: a sweep wakes a run whose worker died.

    Args:
        now: Aware UTC.
    """
    run = _claim(run_id, now)
    if run is None:
        return None
    return _conclude(run, _step(run, now), now)


def _claim(run_id: int, now: datetime) -> LiquidationRun | None:
    token = uuid.uuid4().hex
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=now)
    claimed = LiquidationRun.objects.filter(free, pk=run_id, state__in=ACTIVE_STATES, wake_at__lte=now).update(
        lease_token=token, lease_expires_at=now + timedelta(seconds=LEASE_SECONDS)
    )
    return LiquidationRun.objects.select_related("account__company").get(pk=run_id) if claimed else None


def _step(run: LiquidationRun, now: datetime) -> Outcome:
    if now >= run.deadline_at:
        return Outcome(RunEvent.DEADLINE, reason=BlockReason.DEADLINE, text="Not flat in time")
    try:
        return STEPS[RunState(run.state)](run, now)
    except VenueUnavailable as error:
        return Outcome(None, text=f"No answer from the venue: {error}", wait_seconds=VENUE_SILENT_SECONDS)


@transaction.atomic
def _conclude(run: LiquidationRun, outcome: Outcome, now: datetime) -> RunState | None:
    held = LiquidationRun.objects.select_for_update(of=("self",), no_key=True).select_related("account").get(pk=run.pk)
    if held.lease_token != run.lease_token or held.state != run.state:
        return None  # the lease ran out, and another worker or a person has moved the run on
    if outcome.event is None:
        _wait(held, outcome, now)
    else:
        record_event(held, outcome.event, now, text=outcome.text, reason=outcome.reason, detail=dict(outcome.detail))
        _announce(held, outcome, now)
    if held.is_active:
        wake_run(held.pk, delay_seconds=outcome.wait_seconds)
    return RunState(held.state)


def _wait(run: LiquidationRun, outcome: Outcome, now: datetime) -> None:
    run.lease_token, run.lease_expires_at = "", None
    run.wake_at = now + timedelta(seconds=outcome.wait_seconds)
    if outcome.stops_the_clock:
        run.deadline_at += timedelta(seconds=outcome.wait_seconds)
    run.save(update_fields=["lease_token", "lease_expires_at", "wake_at", "deadline_at"])
    if outcome.text and outcome.text != run.steps.values_list("text", flat=True).last():
        event = "WAITED" if outcome.wait_seconds else "ACTED"
        RunStep.objects.create(
            run=run, at=now, event=event, state=run.state, text=outcome.text, detail=dict(outcome.detail)
        )


def _announce(run: LiquidationRun, outcome: Outcome, now: datetime) -> None:
    if run.state == RunState.FLAT:
        audit.record(actor=TASK, action=AuditAction.RUN_FLAT, now=now, subject=run, account=run.account)
    elif run.state == RunState.NEEDS_OPERATOR:
        text = f"Run {run.pk} of {run.account} needs an operator: {outcome.text}"
        raise_alert(account=run.account, code=f"RUN_{outcome.reason}", text=text, now=now, again=True)
        audit.record(
            actor=TASK,
            action=AuditAction.RUN_NEEDS_OPERATOR,
            now=now,
            subject=run,
            account=run.account,
            reason=outcome.reason,
        )
