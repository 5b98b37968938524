"""Closing orders as committed intents: numbered, sized and written down before any of them is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Max

from accounts.models import Fill, Instrument, Mark, Order, UserExchangeSetting
from accounts.rules.orders import OPEN_STATUSES, OrderStatus, OrderType, TimeInForce
from accounts.selectors import connections_of
from accounts.services.orders import locked_lineage
from liquidation.models import LiquidationRun, RunOrder
from liquidation.rules.plan import (
    MAX_ATTEMPTS,
    ClosingOrder,
    Rung,
    client_order_id,
    protected_price,
    retry_delay_seconds,
    rung,
    slice_qty,
)
from liquidation.selectors import liquidation_user_of, whole_tree_ids


@dataclass(frozen=True, slots=True)
class Attempts:
    """What has been tried on one leg: how many orders, how many in vain, and when the next one is due."""

    leg: int
    made: int
    in_vain: int
    due_at: datetime
    last_status: str

    @property
    def are_spent(self) -> bool:
        return self.in_vain >= MAX_ATTEMPTS


def attempts_of(run: LiquidationRun, symbol: str) -> Attempts:
    """Return what the run has tried on this contract since it was last resumed; a fill makes an attempt worth it."""
    rows = list(
        RunOrder.objects.filter(run=run, order__instrument__symbol=symbol).select_related("order").order_by("id")
    )
    tried = [row.order for row in rows if row.order.created_at >= _counted_from(run)]
    in_vain = sum(1 for order in tried if not order.filled_qty and order.status not in OPEN_STATUSES)
    last = tried[-1] if tried else None
    failed = last is not None and not last.filled_qty
    delay = timedelta(seconds=retry_delay_seconds(in_vain)) if failed and in_vain else timedelta(0)
    return Attempts(
        leg=rows[0].leg if rows else _next_leg(run),
        made=len(rows),
        in_vain=in_vain,
        due_at=(last.updated_at if last else run.requested_at) + delay,
        last_status=last.status if last else "",
    )


def _counted_from(run: LiquidationRun) -> datetime:
    resumed = run.steps.filter(event="RESUME").aggregate(at=Max("at"))["at"]
    return resumed or run.requested_at


def _next_leg(run: LiquidationRun) -> int:
    highest = run.run_orders.aggregate(leg=Max("leg"))["leg"]
    return 1 if highest is None else highest + 1


def fingerprint(account_ids: Sequence[int]) -> str:
    """Return a text that changes with every order or fill of these accounts."""
    orders = Order.objects.filter(account__in=account_ids).aggregate(last=Max("id"), at=Max("updated_at"))
    fills = Fill.objects.filter(account__in=account_ids).aggregate(last=Max("id"))
    return f"{orders['last']} {orders['at']} {fills['last']}"


@transaction.atomic
def commit_intents(
    run: LiquidationRun,
    wanted: Sequence[ClosingOrder],
    attempts: Mapping[str, Attempts],
    before: str,
    now: datetime,
) -> list[Order]:
    """Write the closing orders down; nothing when the run was moved on or the tree has changed since the look.

    The top of the tree is held meanwhile, so that two runs of one tree never size on the same open quantity.
    """
    locked_lineage(run.account_id)
    held = LiquidationRun.objects.select_for_update(no_key=True).get(pk=run.pk)
    if held.lease_token != run.lease_token or fingerprint(whole_tree_ids(run.account_id)) != before:
        return []
    orders = []
    next_leg = _next_leg(run)
    for order in wanted:
        tried = attempts[order.symbol]
        leg = tried.leg if tried.made else next_leg
        next_leg += 0 if tried.made else 1
        orders.append(_intent(run, order, tried, leg, now))
    return orders


def _intent(run: LiquidationRun, wanted: ClosingOrder, tried: Attempts, leg: int, now: datetime) -> Order:
    instrument = Instrument.objects.get(symbol=wanted.symbol)
    user = liquidation_user_of(run.account)
    setting = UserExchangeSetting.objects.filter(user=user, exchange=instrument.exchange).first()
    kind, price, time_in_force, qty = _ladder(wanted, instrument, tried.in_vain + 1)
    order = Order.objects.create(
        client_order_id=client_order_id(run_id=run.pk, leg=leg, attempt=tried.made + 1),
        account=run.account,
        instrument=instrument,
        side=wanted.side,
        qty=qty,
        type=kind,
        time_in_force=time_in_force,
        price=price,
        status=OrderStatus.PENDING_NEW,
        is_liquidation=True,
        is_automated=True,
        submitted_by=user,
        operator_id=setting.operator_id if setting else "",
        venue=connections_of(run.account)[instrument.exchange].gateway,
        created_at=now,
        updated_at=now,
    )
    RunOrder.objects.create(run=run, order=order, leg=leg, attempt=tried.made + 1)
    return order


def _ladder(
    wanted: ClosingOrder, instrument: Instrument, attempt: int
) -> tuple[OrderType, Decimal | None, TimeInForce, int]:
    """Return how this attempt is made: market first, then a protected limit, then slices (F09)."""
    mark = Mark.objects.filter(instrument=instrument).first()
    step = rung(attempt)
    if step is Rung.PROTECTED_LIMIT and mark is not None:
        price = protected_price(side=wanted.side, mark=mark.price, tick_size=instrument.tick_size)
        return OrderType.LIMIT, price, TimeInForce.DAY, wanted.qty
    if step is Rung.IOC_SLICE:
        return OrderType.MARKET, None, TimeInForce.IOC, slice_qty(wanted.qty, attempt)
    return OrderType.MARKET, None, TimeInForce.DAY, wanted.qty
