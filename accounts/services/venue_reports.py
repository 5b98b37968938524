"""The last look before a venue, and what venues answer."""

from dataclasses import replace
from datetime import datetime

from django.db import transaction

from accounts.models import Account, Order
from accounts.permissions import TASK
from accounts.rules.audit import AuditAction
from accounts.rules.orders import OPEN_STATUSES, OrderReport, OrderStatus
from accounts.rules.pnl import Side
from accounts.rules.pretrade import Denial, FailureReason, OrderRequest, PretradeLevel, check_order
from accounts.selectors import open_locks
from accounts.selectors.gate import lock_levels
from accounts.services import audit
from accounts.services.fills import record_fill
from accounts.services.orders import locked_lineage, set_status

_AGE = (OrderStatus.PENDING_NEW, OrderStatus.WORKING, OrderStatus.PENDING_CANCEL)


@transaction.atomic
def claim_for_sending(*, order_id: int, now: datetime) -> Order | None:
    """Mark an order as on its way to the venue and return it; None when it must not or need not be sent.

    The last look before the venue: an order that waited while its account was locked is denied here, and so is one that
    was sent, got no answer, and is not known there. The rows of the account and its ancestors are held, so that a
    lock's commit and this one take turns.
    """
    order = Order.objects.filter(pk=order_id).first()
    if order is None:
        return None
    lineage = locked_lineage(order.account_id)
    order = _held_order(order_id)
    if order.status != OrderStatus.PENDING_NEW:
        return None
    denial = None if order.is_liquidation else _denial_at_sending(order, lineage)
    if denial is not None:
        order.failure_reason = denial.reason
        order.save(update_fields=["failure_reason"])
        set_status(order, OrderStatus.DENIED, now, denial.text)
        audit.record(
            actor=TASK,
            action=AuditAction.ORDER_DENIED,
            now=now,
            subject=order,
            account=order.account,
            reason=denial.text,
        )
        return None
    order.sent_at = order.sent_at or now
    order.failure_reason = ""
    order.save(update_fields=["sent_at", "failure_reason"])
    return order


def _denial_at_sending(order: Order, lineage: list[Account]) -> Denial | None:
    """Return why an order that waited may no longer go: a lock that came meanwhile. Credit was held when it came in."""
    if not open_locks([account.pk for account in lineage]).exists():
        return None
    request = OrderRequest(order.instrument.symbol, Side(order.side), order.qty)
    own, *above = lock_levels(lineage, request)
    return check_order(request, [_without_own(own, order), *above])


def _without_own(level: PretradeLevel, order: Order) -> PretradeLevel:
    """Return the level without the order itself, which its working quantities count already."""
    if order.side == Side.BUY:
        return replace(level, working_buys=level.working_buys - order.leaves_qty)
    return replace(level, working_sells=level.working_sells - order.leaves_qty)


@transaction.atomic
def apply_report(*, order_id: int, report: OrderReport, now: datetime) -> Order:
    """Take in what the venue says of an order: its executions, each once, and its status.

    Safe to repeat and safe out of order: a status never leads back from an end, and fills count whatever came first.
    """
    order = _held_order(order_id)
    for execution in report.executions:
        result = record_fill(
            venue=order.venue,
            execution_id=execution.execution_id,
            account=order.account,
            instrument=order.instrument,
            side=Side(order.side),
            qty=execution.qty,
            price=execution.price,
            filled_at=execution.at,
            actor=TASK,
            now=now,
            order=order,
        )
        if result.is_new:
            # A venue that fills too much fills all the same: the position counts it, the order is full.
            order.filled_qty = min(order.qty, order.filled_qty + execution.qty)
    if order.filled_qty >= order.qty:
        order.status = OrderStatus.FILLED
    elif order.status in OPEN_STATUSES and not _is_older(OrderStatus(order.status), report.status):
        order.status = report.status
    order.failure_text = report.text or order.failure_text
    order.updated_at = now
    order.save(update_fields=["filled_qty", "status", "failure_text", "updated_at"])
    return order


def _held_order(order_id: int) -> Order:
    # Of the order alone: to hold the contract's row as well would make orders of all accounts wait for each other.
    orders = Order.objects.select_for_update(of=("self",), no_key=True)
    return orders.select_related("instrument", "account").get(pk=order_id)


def _is_older(standing: OrderStatus, reported: OrderStatus) -> bool:
    """A venue that has not seen our cancel yet still says working; a late report may say less than we know."""
    return reported in OPEN_STATUSES and _AGE.index(reported) < _AGE.index(standing)


@transaction.atomic
def note_market_closed(*, order_id: int, now: datetime) -> Order:
    """Note that the venue was shut: the order did not go in and waits for the open."""
    order = _held_order(order_id)
    if order.status == OrderStatus.PENDING_NEW:
        order.failure_reason, order.sent_at, order.updated_at = FailureReason.SessionClosed, None, now
        order.save(update_fields=["failure_reason", "sent_at", "updated_at"])
    return order


def note_asked(*, order_id: int, now: datetime) -> None:
    """Note that the venue was asked in vain, so that other orders have their turn first."""
    Order.objects.filter(pk=order_id).update(updated_at=now)
