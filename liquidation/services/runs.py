"""Ask for a liquidation, and what a person may do with one."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from accounts.errors import AccountClosed, Conflict, InvalidValue, NotFound
from accounts.models import Account
from accounts.permissions import TASK, Actor, require
from accounts.rules.audit import AuditAction
from accounts.rules.locks import LockCause
from accounts.rules.roles import Verb
from accounts.selectors import subtree_ids
from accounts.services import audit
from accounts.services.locks import release_replaced
from accounts.services.orders import locked_lineage
from liquidation.models import Evaluation, LiquidationRun, RunStep
from liquidation.queue import wake_run
from liquidation.rules.states import InvalidTransition, RunEvent, RunState, next_state
from liquidation.selectors import active_run, active_run_above, active_runs_below, liquidation_user_of

SUPERSEDED = "SUPERSEDED_BY_ANCESTOR"
COVERED = "COVERED_BY_ANCESTOR"


@dataclass(frozen=True, slots=True)
class RunResult:
    """The run that stands, and whether this call asked for it."""

    run_id: int
    is_new: bool


@transaction.atomic
def request_run(
    *, account_id: int, cause: str, actor: Actor, now: datetime, evaluation: Evaluation | None = None
) -> RunResult:
    """Promise that the account's tree will be flat; the committed row is the promise.

    Safe to repeat: while a run is active the same run is the answer. Runs of descendants end, because this one closes
    the net of the whole tree; under an active run of an ancestor it is recorded and covered by that one.

    Args:
        cause: What asked for it: a limit's kind or an admin action.

    Raises:
        NotPermitted, NotFound: the actor may not liquidate this account.
        AccountClosed: it is closed.
    """
    account = locked_lineage(account_id)[0]
    require(actor, Verb.LIQUIDATE, account)
    if account.is_closed:
        raise AccountClosed(f"Account {account.name} is closed.")
    standing = active_run(account.pk)
    if standing is not None:
        return RunResult(standing.pk, is_new=False)
    run = _create_run(account, cause, actor, now, evaluation)
    above = active_run_above(account.pk)
    if above is not None:
        record_event(run, RunEvent.SUPERSEDE, now, text=f"Closed with {above.account}", reason=COVERED)
        return RunResult(run.pk, is_new=True)
    _supersede_below(run, now)
    wake_run(run.pk)
    return RunResult(run.pk, is_new=True)


def _supersede_below(run: LiquidationRun, now: datetime) -> None:
    for below in active_runs_below(run.account_id).select_for_update(no_key=True):
        record_event(below, RunEvent.SUPERSEDE, now, text=f"{run.account} closes the whole tree", reason=SUPERSEDED)


def _create_run(
    account: Account, cause: str, actor: Actor, now: datetime, evaluation: Evaluation | None
) -> LiquidationRun:
    run = LiquidationRun.objects.create(
        account=account,
        cause=cause,
        requested_at=now,
        requested_by=actor.name,
        evaluation=evaluation,
        liquidation_user=liquidation_user_of(account),
        deadline_at=now + timedelta(seconds=settings.RUN_DEADLINE_SECONDS),
        state_since=now,
        wake_at=now,
    )
    RunStep.objects.create(run=run, at=now, event="REQUESTED", state=run.state, text=f"{cause} by {actor.name}")
    audit.record(
        actor=actor,
        action=AuditAction.RUN_REQUESTED,
        now=now,
        subject=run,
        account=account,
        after={"cause": cause, "run": run.pk},
    )
    return run


def record_event(
    run: LiquidationRun,
    event: RunEvent,
    now: datetime,
    *,
    text: str = "",
    reason: str = "",
    detail: dict[str, object] | None = None,
) -> None:
    """Take the run where the event leads and write the step; for the caller's transaction, which holds the row.

    Raises:
        InvalidTransition: the event cannot happen in the run's state.
    """
    run.state = next_state(RunState(run.state), event)
    run.state_since = now
    run.reason = reason
    run.lease_token, run.lease_expires_at, run.wake_at = "", None, now
    run.ended_at = None if run.is_active else now
    run.save()
    RunStep.objects.create(run=run, at=now, event=event, state=run.state, text=text, detail=detail or {})
    if run.state == RunState.FLAT:
        _end_flatten_locks(run, now)


def _end_flatten_locks(run: LiquidationRun, now: datetime) -> None:
    """Lift what a flatten timestamp locked on the accounts that this run closed, whichever run did the work."""
    flattened = Account.objects.filter(
        pk__in=subtree_ids(run.account_id), locks__cause=LockCause.FLATTEN, locks__released_at=None
    )
    for account in flattened.order_by("pk"):
        release_replaced(account=account, cause=LockCause.FLATTEN, keep=None, actor=TASK, now=now)


def _held_run(run_id: int, actor: Actor, verb: Verb) -> LiquidationRun:
    run = LiquidationRun.objects.filter(pk=run_id).select_related("account").first()
    if run is None:
        raise NotFound("Not found")
    locked_lineage(run.account_id)
    require(actor, verb, run.account)
    return LiquidationRun.objects.select_for_update(of=("self",), no_key=True).select_related("account").get(pk=run_id)


def _operate(
    run_id: int, event: RunEvent, action: AuditAction, *, actor: Actor, reason: str, now: datetime
) -> LiquidationRun:
    run = _held_run(run_id, actor, Verb.RESUME_RUN if event is RunEvent.RESUME else Verb.END_RUN)
    if not reason.strip():
        raise InvalidValue("Say why.", field="reason")
    try:
        record_event(
            run, event, now, text=f"{actor.name}: {reason}", reason="" if event is RunEvent.RESUME else "BY_HAND"
        )
    except InvalidTransition as error:
        raise Conflict(f"Run {run.pk} is {run.state}: this is not possible now.") from error
    audit.record(actor=actor, action=action, now=now, subject=run, account=run.account, reason=reason)
    return run


@transaction.atomic
def stop_run(*, run_id: int, actor: Actor, reason: str, now: datetime) -> None:
    """Stop a run; the lock stays and so does whatever is open.

    Raises:
        NotPermitted, NotFound: the actor may not operate runs of this account.
        InvalidValue: no reason.
        Conflict: the run has ended.
    """
    _operate(run_id, RunEvent.STOP, AuditAction.RUN_STOPPED, actor=actor, reason=reason, now=now)


@transaction.atomic
def resume_run(*, run_id: int, actor: Actor, reason: str, now: datetime) -> None:
    """Carry on a run that needed an operator, with a new deadline.

    Raises:
        NotPermitted, NotFound, InvalidValue: as `stop_run`.
        Conflict: the run does not wait for an operator, or another one is active on the account's tree.
    """
    run = _held_run(run_id, actor, Verb.RESUME_RUN)
    if active_run(run.account_id) or active_run_above(run.account_id):
        raise Conflict(f"Another run of {run.account} is active.")
    run = _operate(run_id, RunEvent.RESUME, AuditAction.RUN_RESUMED, actor=actor, reason=reason, now=now)
    _supersede_below(run, now)
    run.deadline_at = now + timedelta(seconds=settings.RUN_DEADLINE_SECONDS)
    run.save(update_fields=["deadline_at"])
    wake_run(run.pk)


@transaction.atomic
def confirm_flat(*, run_id: int, actor: Actor, reason: str, now: datetime) -> None:
    """Say by hand that the account is flat, for a run that could not see it itself.

    Raises:
        NotPermitted, NotFound, InvalidValue, Conflict: as `stop_run`.
    """
    _operate(run_id, RunEvent.CONFIRM_BY_HAND, AuditAction.RUN_CONFIRMED, actor=actor, reason=reason, now=now)
