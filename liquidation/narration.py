"""Tells what happens, one line per event, by following the database."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db.models import Model, QuerySet

from accounts.models import AccountLock, AuditEntry, Order
from accounts.rules.audit import AuditAction
from accounts.rules.locks import AdminAction
from accounts.rules.orders import OrderStatus
from accounts.rules.pnl import Side
from accounts.selectors import subtree_ids
from liquidation.models import Evaluation, LiquidationRun
from liquidation.rules.limits import Action
from liquidation.rules.states import RunState

# What a person does is told as it is recorded; what the engine does is told by its decision and its run.
TOLD_OF_PEOPLE = {
    AuditAction.ACCOUNT_LOCKED: "locked by {actor}: {reason}",
    AuditAction.ACCOUNT_UNLOCKED: "unlocked by {actor}: {reason}",
    AuditAction.CREDIT_CHANGED: "credit changed by {actor}: {changes}",
    AuditAction.AUTO_LIQ_CHANGED: "auto-liquidation limits changed by {actor}: {changes}",
    AuditAction.ORDER_SUBMITTED: "order by {actor}: {order}",
    AuditAction.ORDER_DENIED: "order by {actor} denied: {reason}",
    AuditAction.RUN_STOPPED: "liquidation stopped by {actor}: {reason}",
    AuditAction.RUN_RESUMED: "liquidation resumed by {actor}: {reason}",
    AuditAction.RUN_CONFIRMED: "confirmed flat by {actor}: {reason}",
}
LOCKED_AS = {
    Action.LIQUIDATE_ONLY: "may only reduce",
    Action.DISABLE: "locked",
    Action.DISABLE_AND_CANCEL: "locked",
    Action.AUTO_LIQUIDATE: "locked",
}

ASKED_FOR = {
    AdminAction.LIQUIDATE_IMMEDIATELY.value: "liquidated by {actor}",
    "FLATTEN_TIMESTAMP": "liquidated at the time set for it",
    "POSITION_AFTER_FLAT": "held a position again after it was flat and was liquidated",
}
"""What a run without a breach is told as, by its cause."""

_AMOUNT = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_CODE = re.compile(r"[A-Z][A-Z_]{3,}", re.ASCII)


def told_at(at: datetime, text: str) -> str:
    """Return a line as it is printed, its time in UTC as everywhere in the desk."""
    return f"{at.astimezone(UTC):%H:%M:%S} {text}"


def standing_text() -> str:
    """Return how things stand: how many accounts are locked, and which runs wait for an operator."""
    locked = AccountLock.objects.filter(released_at=None).values("account").distinct().count()
    waiting = LiquidationRun.objects.filter(state=RunState.NEEDS_OPERATOR).select_related("account").order_by("pk")
    names = ", ".join(dict.fromkeys(run.account.name for run in waiting))
    accounts = "1 account is locked" if locked == 1 else f"{locked} accounts are locked"
    return f"{accounts}; {f'waiting for an operator: {names}' if names else 'nothing waits for an operator'}"


class Narrator:
    """Follows decisions, runs and what people do, from now on."""

    def __init__(self) -> None:
        self._decision = _newest(Evaluation.objects.all())
        self._run = _newest(LiquidationRun.objects.all())
        self._entry = _newest(AuditEntry.objects.all())
        # A run that is under way when the telling begins has its end told too.
        self._open = set(LiquidationRun.objects.filter(ended_at=None).values_list("pk", flat=True))

    def lines(self) -> list[str]:
        """Return what happened since the last call, oldest first."""
        told = [*self._people(), *self._decisions(), *self._runs()]
        return [told_at(at, text) for at, text in sorted(told, key=lambda event: event[0])]

    def _decisions(self) -> Iterator[tuple[datetime, str]]:
        for decision in Evaluation.objects.filter(pk__gt=self._decision).select_related("account").order_by("pk"):
            self._decision = decision.pk
            if decision.action != Action.AUTO_LIQUIDATE:  # the run tells the rest in one line
                yield decision.decided_at, f"{decision.account} {breach_text(decision)}{_canceled_text(decision)}"

    def _runs(self) -> Iterator[tuple[datetime, str]]:
        fresh = LiquidationRun.objects.filter(pk__gt=self._run).order_by("pk").values_list("pk", flat=True)
        for pk in fresh:
            self._run = pk
            self._open.add(pk)
        ended = LiquidationRun.objects.filter(pk__in=self._open).exclude(ended_at=None)
        for run in ended.select_related("account", "evaluation").order_by("ended_at"):
            self._open.discard(run.pk)
            yield run.ended_at or run.requested_at, f"{run.account} {run_text(run)}"

    def _people(self) -> Iterator[tuple[datetime, str]]:
        entries = AuditEntry.objects.filter(pk__gt=self._entry).order_by("pk").select_related("account")
        for entry in entries:
            self._entry = entry.pk
            if entry.action == AuditAction.RUN_RESUMED and entry.object_id is not None:
                self._open.add(entry.object_id)  # it ends once more
            template = TOLD_OF_PEOPLE.get(AuditAction(entry.action))
            if template and entry.user_id is not None:
                yield entry.at, f"{entry.account or entry.object_name} {template.format(**_words(entry))}"


def _newest(rows: QuerySet[Any]) -> int:
    newest: Model | None = rows.order_by("pk").last()
    return newest.pk if newest else 0


def _words(entry: AuditEntry) -> dict[str, str]:
    after = entry.after
    return {
        "actor": entry.actor,
        "reason": entry.reason,
        "changes": ", ".join(f"{field} {value}" for field, value in _changes(after)),
        "order": f"{str(after.get('side', '')).lower()} {after.get('qty', '')} {after.get('symbol', '')}",
    }


def _changes(after: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field, value in after.items():
        yield field.replace("_", " "), _value_text(field, value)


def _value_text(field: str, value: Any) -> str:
    """Return a setting's value in words: audit entries keep amounts, marks of yes and no, and codes."""
    match value:
        case None | "":
            return "none"
        case bool():
            return "yes" if value else "no"
        case str() if _AMOUNT.fullmatch(value):
            is_percentage = "percentage" in field or field.endswith("_pct")
            return f"{Decimal(value).normalize():f} %" if is_percentage else f"{Decimal(value):,.2f}"
        case str() if _CODE.fullmatch(value):
            return value.lower().replace("_", " ")
    return str(value)


def breach_text(decision: Evaluation) -> str:
    """Return what a decision was about: the loss and its limit, and what became of the account."""
    reached = f"lost {-decision.pnl:,.2f} of {decision.threshold:,.2f}"
    if decision.pnl > 0:
        reached = f"made {decision.pnl:,.2f} of {decision.threshold:,.2f}"
    return f"breached: {reached}; {LOCKED_AS[Action(decision.action)]}"


def _canceled_text(decision: Evaluation) -> str:
    if decision.action != Action.DISABLE_AND_CANCEL:
        return ""
    return f"; {_orders_text(_canceled(decision.account_id, decision.decided_at))}"


def run_text(run: LiquidationRun) -> str:
    """Return a run that has ended as one line: why, what was done, and how it ended."""
    parts = [breach_text(run.evaluation) if run.evaluation else _asked_text(run)]
    canceled = _canceled(run.account_id, run.requested_at)
    if canceled:
        parts.append(_orders_text(canceled))
    return "; ".join([*parts, *_trades(run), _end_text(run)])


def _asked_text(run: LiquidationRun) -> str:
    template = ASKED_FOR.get(run.cause, "liquidated by {actor}")
    return template.format(actor=run.requested_by)


def _canceled(account_id: int, since: datetime) -> int:
    orders = Order.objects.filter(account__in=subtree_ids(account_id), is_liquidation=False, updated_at__gte=since)
    return orders.filter(status__in=[OrderStatus.CANCELED, OrderStatus.PENDING_CANCEL]).count()


def _orders_text(count: int) -> str:
    return f"{count} {'order' if count == 1 else 'orders'} cancelled"


def _trades(run: LiquidationRun) -> Iterator[str]:
    traded: dict[tuple[str, str], int] = {}
    for row in run.run_orders.select_related("order__instrument").order_by("pk"):
        key = (row.order.side, row.order.instrument.symbol)
        traded[key] = traded.get(key, 0) + row.order.filled_qty
    for (side, symbol), qty in traded.items():
        if qty:
            yield f"{'sold' if side == Side.SELL else 'bought'} {qty} {symbol}"


def _end_text(run: LiquidationRun) -> str:
    seconds = ((run.ended_at or run.requested_at) - run.requested_at).total_seconds()
    if run.state == RunState.FLAT:
        return f"flat in {seconds:.1f} s"
    if run.state == RunState.NEEDS_OPERATOR:
        return f"NEEDS AN OPERATOR: {run.reason.lower().replace('_', ' ')}"
    return f"stopped: {run.reason.lower().replace('_', ' ')}"
