"""The order gate: every order is held against locks and credit here, before any venue hears of it."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.errors import InvalidValue, NotFound
from accounts.models import Account, AccountPath, Connection, Instrument, Order, UserExchangeSetting
from accounts.permissions import Actor, require
from accounts.queue import wake
from accounts.rules.audit import AuditAction
from accounts.rules.money import to_ticks
from accounts.rules.orders import OPEN_STATUSES, OrderStatus, OrderType, TimeInForce
from accounts.rules.pnl import Side
from accounts.rules.pretrade import Denial, FailureReason, OrderRequest, check_order, route_denial
from accounts.rules.roles import Verb
from accounts.selectors import connections_of
from accounts.selectors.gate import credit_levels, lock_levels
from accounts.services import audit

SEND_TASK = "liquidation.send_order"
CANCEL_TASK = "liquidation.send_cancel"
LONGEST_CLIENT_ORDER_ID = 64


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What somebody wants done. Price in the contract's price units; quantity in contracts."""

    symbol: str
    side: Side
    qty: int
    type: OrderType
    price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    client_order_id: str = ""
    is_automated: bool = False
    is_block_cross: bool = False


@dataclass(frozen=True, slots=True)
class OrderResult:
    """The order's row (None where not even a row could be made) and, when it was denied, why."""

    order_id: int | None
    failure_reason: FailureReason | None = None
    failure_text: str = ""


@transaction.atomic
def submit_order(*, account_id: int, order: NewOrder, actor: Actor, now: datetime) -> OrderResult:
    """Hold an order against the account and every ancestor, and send it on its way if it passes.

    The rows of the account and its ancestors are held meanwhile, so that a lock and an order take turns: an order
    that comes after a lock's commit is denied. A repeated client order id answers with the order that stands.

    Raises:
        NotPermitted, NotFound: the actor may not trade on this account.
        InvalidValue: quantity, price or type cannot be; names the field.
    """
    lineage = locked_lineage(account_id)
    account = lineage[0]
    require(actor, Verb.PLACE_ORDER, account)
    instrument = _require_order(order)
    if instrument is None:
        return OrderResult(None, FailureReason.InvalidContract, f"Unknown contract {order.symbol}.")
    our_id = _our_order_id(account, order)
    standing = Order.objects.filter(client_order_id=our_id).first()
    if standing is not None:
        return _standing_result(standing)
    connection = connections_of(account).get(instrument.exchange)
    denial = _denial(lineage, order, instrument, connection, actor=actor, now=now)
    row = _write_order(account, instrument, connection, order, our_id, denial, actor=actor, now=now)
    if denial is not None:
        return OrderResult(row.pk, denial.reason, denial.text)
    wake(SEND_TASK, row.pk)
    return OrderResult(row.pk)


def locked_lineage(account_id: int) -> list[Account]:
    """Return the account and its ancestors, nearest first, their rows held until the transaction ends.

    Raises:
        NotFound: no such account.
    """
    depths = _depths(account_id)
    while True:
        rows = list(Account.objects.select_for_update(no_key=True).filter(pk__in=depths).order_by("pk"))
        held = _depths(account_id)
        if held == depths:
            break
        depths = held  # the account was moved while its rows were waited for
    if not rows:
        raise NotFound("Not found")
    return sorted(rows, key=lambda row: depths[row.pk])


def _depths(account_id: int) -> dict[int, int]:
    return dict(AccountPath.objects.filter(descendant=account_id).values_list("ancestor_id", "depth"))


def _require_order(order: NewOrder) -> Instrument | None:
    if order.qty <= 0:
        raise InvalidValue("Order Qty should be greater than 0", field="qty")
    if len(order.client_order_id) > LONGEST_CLIENT_ORDER_ID:
        raise InvalidValue("A client order id has at most 64 characters.", field="client_order_id")
    if order.type in {OrderType.LIMIT, OrderType.STOP_LIMIT} and order.price is None:
        raise InvalidValue("Price should be specified", field="price")
    if order.type in {OrderType.STOP, OrderType.STOP_LIMIT} and order.stop_price is None:
        raise InvalidValue("Stop Price should be specified", field="stop_price")
    instrument = Instrument.objects.filter(symbol=order.symbol).first()
    if instrument is not None:
        for field, price in (("price", order.price), ("stop_price", order.stop_price)):
            _require_on_tick(field, price, instrument)
    return instrument


def _require_on_tick(field: str, price: Decimal | None, instrument: Instrument) -> None:
    if price is None:
        return
    try:
        to_ticks(price, instrument.tick_size)
    except ValueError as error:
        raise InvalidValue(
            f"{price} is not on {instrument.symbol}'s tick of {instrument.tick_size}.", field=field
        ) from error


def _our_order_id(account: Account, order: NewOrder) -> str:
    """Return the id that the venue will know: the client's own behind its account, so that nobody can take another's.

    A liquidation's ids begin otherwise, and none of a client's can ever be one of them.
    """
    return f"U{account.pk}-{order.client_order_id}" if order.client_order_id else f"O-{uuid.uuid4().hex}"


def _standing_result(standing: Order) -> OrderResult:
    reason = FailureReason(standing.failure_reason) if standing.failure_reason else None
    return OrderResult(standing.pk, reason, standing.failure_text)


def _denial(
    lineage: list[Account],
    order: NewOrder,
    instrument: Instrument,
    connection: Connection | None,
    *,
    actor: Actor,
    now: datetime,
) -> Denial | None:
    """Locks first, for all levels; then whether the order can be routed at all; figures last, they cost the most."""
    request = OrderRequest(order.symbol, order.side, order.qty, order.is_block_cross)
    levels, account = lock_levels(lineage, request), lineage[0]
    return (
        check_order(request, levels)
        or route_denial(
            account.name, instrument.exchange, is_routing=account.is_routing, is_connected=connection is not None
        )
        or check_order(request, credit_levels(levels, lineage, request, instrument, now, actor.user))
    )


def _write_order(
    account: Account,
    instrument: Instrument,
    connection: Connection | None,
    order: NewOrder,
    our_id: str,
    denial: Denial | None,
    *,
    actor: Actor,
    now: datetime,
) -> Order:
    row = Order.objects.create(
        client_order_id=our_id,
        account=account,
        instrument=instrument,
        side=order.side,
        qty=order.qty,
        type=order.type,
        time_in_force=order.time_in_force,
        price=order.price,
        stop_price=order.stop_price,
        status=OrderStatus.DENIED if denial else OrderStatus.PENDING_NEW,
        is_automated=order.is_automated,
        submitted_by=actor.user,
        operator_id=_operator_id(actor, instrument.exchange),
        venue=connection.gateway if connection else "",
        failure_reason=denial.reason if denial else "",
        failure_text=denial.text if denial else "",
        created_at=now,
        updated_at=now,
    )
    audit.record(
        actor=actor,
        action=AuditAction.ORDER_DENIED if denial else AuditAction.ORDER_SUBMITTED,
        now=now,
        subject=row,
        account=account,
        after={"symbol": order.symbol, "side": order.side.value, "qty": order.qty, "price": order.price},
        reason=denial.text if denial else "",
    )
    return row


def _operator_id(actor: Actor, exchange: str) -> str:
    if actor.user is None:
        return ""
    setting = UserExchangeSetting.objects.filter(user=actor.user, exchange=exchange).first()
    return setting.operator_id if setting else ""


@dataclass(frozen=True, slots=True)
class CancelResult:
    """The order asked about, and whether this call asked the venue anew."""

    order_id: int
    is_new: bool
    failure_reason: FailureReason | None = None
    failure_text: str = ""


@transaction.atomic
def cancel_order(*, order_id: int, actor: Actor, now: datetime) -> CancelResult:
    """Ask for an order to be taken out of the market. Allowed while the account is locked.

    Safe to repeat: an order whose cancel is under way is not asked for twice.

    Raises:
        NotPermitted, NotFound: the actor may not cancel on this account.
    """
    orders = Order.objects.select_for_update(of=("self",), no_key=True).select_related("account")
    order = orders.filter(pk=order_id).first()
    if order is None:
        raise NotFound("Not found")
    require(actor, Verb.CANCEL_ORDER, order.account)
    if order.status not in OPEN_STATUSES:
        return CancelResult(order.pk, False, FailureReason.TooLate, f"The order is {order.status.lower()} already.")
    if order.status == OrderStatus.PENDING_CANCEL:
        return CancelResult(order.pk, is_new=False)
    if order.sent_at is None:
        set_status(order, OrderStatus.CANCELED, now)
    else:
        set_status(order, OrderStatus.PENDING_CANCEL, now)
        wake(CANCEL_TASK, order.pk)
    audit.record(actor=actor, action=AuditAction.ORDER_CANCEL_REQUESTED, now=now, subject=order, account=order.account)
    return CancelResult(order.pk, is_new=True)


def set_status(order: Order, status: OrderStatus, now: datetime, text: str = "") -> None:
    """Write an order's status, for the caller's transaction."""
    order.status, order.updated_at = status, now
    if text:
        order.failure_text = text
    order.save(update_fields=["status", "updated_at", "failure_text"])
