"""Act on a limit that is reached: record the decision, lock, and ask for a liquidation, in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.models import Account, AccountAutoLiq, AccountSession
from accounts.permissions import ENGINE
from accounts.rules.audit import AuditAction
from accounts.rules.locks import LockCause, LockMode
from accounts.rules.money import money_text, round_money
from accounts.rules.sessions import next_session_at, next_week_open_at
from accounts.selectors import subtree_ids, working_orders
from accounts.services import audit
from accounts.services.locks import lock_account
from accounts.services.orders import cancel_order, locked_lineage
from accounts.services.sod import reset_of
from liquidation.models import Evaluation
from liquidation.rules.limits import Action, LimitKind, Trigger, UnlockRule, unlock_rule
from liquidation.services.alerts import clear_alert, raise_alert
from liquidation.services.runs import request_run
from liquidation.services.steps import FLATTEN_CAUSE

LOCKS = {
    Action.LIQUIDATE_ONLY: (LockCause.AUTO_LIQ, LockMode.LIQUIDATE_ONLY),
    Action.DISABLE: (LockCause.CREDIT_LOSS, LockMode.LOCKED),
    Action.DISABLE_AND_CANCEL: (LockCause.CREDIT_LOSS, LockMode.LOCKED),
    Action.AUTO_LIQUIDATE: (LockCause.AUTO_LIQ, LockMode.LOCKED),
}
AMOUNTS = frozenset(
    {
        LimitKind.DAILY_LOSS,
        LimitKind.WEEKLY_LOSS,
        LimitKind.DAILY_PROFIT,
        LimitKind.WEEKLY_PROFIT,
        LimitKind.TRAILING_DRAWDOWN,
    }
)
PEAKS_PER_STATEMENT = 500


@dataclass(frozen=True, slots=True)
class BreachResult:
    """The decision's row and the run it asked for, if any."""

    evaluation_id: int
    run_id: int | None


def alert_code(kind: LimitKind, action: Action) -> str:
    """Return the code under which reaching this limit is alerted."""
    return f"{kind}_REACHED" if action is not Action.ALERT else f"{kind}_ALERT"


def threshold_of(trigger: Trigger) -> Decimal:
    """Return the limit as an amount of money above zero, whatever it was set as."""
    amount = trigger.threshold if trigger.kind in AMOUNTS else -trigger.pnl_level
    return round_money(amount)


@transaction.atomic
def act_on_breach(
    *,
    account_id: int,
    trigger: Trigger,
    pnl: Decimal,
    currency: str,
    inputs: Mapping[str, Any],
    do_not_unlock: bool,
    now: datetime,
) -> BreachResult:
    """Lock the account as the reached limit says and promise what follows: canceled orders, or a flat account.

    The lock is in force and the promise kept by the commit; what happens at the venue is the workers' part.

    Args:
        pnl: Session P/L of the account's tree in `currency`, signed.
        inputs: What the decision was made with, for the evidence.

    Raises:
        NotFound: the account is gone.
    """
    account = locked_lineage(account_id)[0]
    evaluation = _record(account, trigger, pnl, currency, inputs, now)
    figures = f"P/L {money_text(evaluation.pnl)} of {money_text(evaluation.threshold)} {currency}"
    text = f"{account} reached {trigger.kind}: {figures}"
    cause, mode = LOCKS[trigger.action]
    lock_account(
        account_id=account.pk,
        actor=ENGINE,
        cause=cause,
        mode=mode,
        reason=text,
        now=now,
        release_due_at=_release_due_at(account, trigger, do_not_unlock, now),
    )
    raise_alert(account=account, code=alert_code(trigger.kind, trigger.action), text=text, now=now, again=True)
    if trigger.action is Action.DISABLE_AND_CANCEL:
        for order in working_orders(subtree_ids(account.pk)):
            cancel_order(order_id=order.pk, actor=ENGINE, now=now)
    if trigger.action is not Action.AUTO_LIQUIDATE:
        return BreachResult(evaluation.pk, None)
    run = request_run(account_id=account.pk, cause=trigger.kind, actor=ENGINE, now=now, evaluation=evaluation)
    return BreachResult(evaluation.pk, run.run_id)


def _record(
    account: Account, trigger: Trigger, pnl: Decimal, currency: str, inputs: Mapping[str, Any], now: datetime
) -> Evaluation:
    evaluation = Evaluation.objects.create(
        account=account,
        decided_at=now,
        kind=trigger.kind,
        action=trigger.action,
        pnl=round_money(pnl),
        pnl_level=round_money(trigger.pnl_level),
        threshold=threshold_of(trigger),
        currency=currency,
        inputs=audit.plain(inputs),
    )
    after = {
        "kind": trigger.kind.value,
        "action": trigger.action.value,
        "pnl": evaluation.pnl,
        "level": evaluation.pnl_level,
    }
    audit.record(
        actor=ENGINE, action=AuditAction.BREACH_DECIDED, now=now, subject=evaluation, account=account, after=after
    )
    return evaluation


def _release_due_at(account: Account, trigger: Trigger, do_not_unlock: bool, now: datetime) -> datetime | None:
    rule = unlock_rule(trigger, do_not_unlock)
    if rule is UnlockRule.NEXT_SESSION:
        return next_session_at(now, reset_of(account))
    return next_week_open_at(now) if rule is UnlockRule.NEXT_WEEK else None


@transaction.atomic
def liquidate_again(*, account_id: int, now: datetime) -> int:
    """Ask for another run of an account that was flat, is still locked for it, and holds something again (F12)."""
    account = locked_lineage(account_id)[0]
    text = f"{account} holds a position again after it was flat"
    raise_alert(account=account, code="POSITION_AFTER_FLAT", text=text, now=now, again=True)
    return request_run(account_id=account.pk, cause="POSITION_AFTER_FLAT", actor=ENGINE, now=now).run_id


@transaction.atomic
def flatten_on_time(*, account_id: int, now: datetime) -> int | None:
    """Flatten an account at its flatten timestamp, once; None when that was done or taken back.

    Orders are locked out only until the account is flat: nothing stops the trader from going on afterwards.
    """
    account = locked_lineage(account_id)[0]
    limits = AccountAutoLiq.objects.select_for_update(no_key=True).get(account=account)
    if limits.flatten_timestamp is None or limits.flatten_timestamp > now:
        return None
    before = {"flatten_timestamp": limits.flatten_timestamp}
    limits.flatten_timestamp = None
    limits.save(update_fields=["flatten_timestamp"])
    audit.record(
        actor=ENGINE, action=AuditAction.AUTO_LIQ_CHANGED, now=now, subject=limits, account=account, before=before,
        after={"flatten_timestamp": None}, reason="Its time has come",
    )  # fmt: skip
    lock_account(
        account_id=account.pk, actor=ENGINE, cause=LockCause.FLATTEN, mode=LockMode.LOCKED,
        reason="Flattened at its flatten timestamp", now=now,
    )  # fmt: skip
    return request_run(account_id=account.pk, cause=FLATTEN_CAUSE, actor=ENGINE, now=now).run_id


def set_alert(*, account_id: int, code: str, text: str, is_standing: bool, now: datetime) -> bool:
    """Raise or clear one alert of an account; return whether anything changed."""
    account = Account.objects.get(pk=account_id)
    if is_standing:
        return raise_alert(account=account, code=code, text=text, now=now)
    return clear_alert(account=account, code=code, now=now)


@transaction.atomic
def record_peaks(*, peaks: Mapping[int, Decimal]) -> int:
    """Store new highs of net liquidation value by account id, never a lower one; return how many rose."""
    held = AccountSession.objects.select_for_update(of=("self",), no_key=True).order_by("account")
    wanted = sorted(peaks)
    risen = []
    for first in range(0, len(wanted), PEAKS_PER_STATEMENT):
        for session in held.filter(account__in=wanted[first : first + PEAKS_PER_STATEMENT]):
            peak = peaks[session.account_id]
            if session.max_net_liq is None or session.max_net_liq < peak:
                session.max_net_liq = peak
                risen.append(session)
    AccountSession.objects.bulk_update(risen, ["max_net_liq"], batch_size=PEAKS_PER_STATEMENT)
    return len(risen)
