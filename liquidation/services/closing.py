"""The second half of a liquidation: close the tree's net positions, never more than is open, and look again."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from accounts.models import AccountConnection, AccountPath, Instrument, Order, UserExchangeSetting
from accounts.permissions import TASK
from accounts.rules.orders import OPEN_STATUSES, OrderStatus
from accounts.rules.pnl import Side
from accounts.rules.pretrade import FailureReason
from accounts.rules.readiness import BlockReason, leg_block
from accounts.selectors import connections_of, held_positions, subtree_ids, working_orders
from accounts.services.orders import cancel_order
from liquidation.gateways.registry import gateway
from liquidation.gateways.simulated import SimulatedExchange
from liquidation.models import LiquidationRun
from liquidation.rules.plan import ClosingOrder, Leg, plan
from liquidation.rules.states import RunEvent
from liquidation.selectors import liquidation_user_of, whole_tree_ids
from liquidation.services.alerts import raise_alert
from liquidation.services.intents import Attempts, attempts_of, commit_intents, fingerprint
from liquidation.services.routing import refresh_order, send_cancel, send_order

# A closing order that has neither filled nor ended by then is canceled and what is left is tried anew (F10).
FILL_WAIT_SECONDS = 5
ASK_AGAIN_SECONDS = 1
SHUT_WAIT_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step leads to: an event, or None to come back after `wait_seconds`.

    `stops_the_clock` puts the deadline off by the wait: nobody can close anything meanwhile.
    """

    event: RunEvent | None
    text: str = ""
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    wait_seconds: float = 0
    stops_the_clock: bool = False


@dataclass(frozen=True, slots=True)
class TreeLook:
    """What the venues say of a tree: net by symbol, and open orders as (gateway, client order id)."""

    nets: Mapping[str, int]
    open_orders: Sequence[tuple[str, str]]


def look_at_venue(account_ids: Sequence[int]) -> TreeLook:
    """Ask every venue of the tree what it holds and has working.

    Raises:
        VenueUnavailable: a venue does not answer; nothing may be concluded.
    """
    nets: dict[str, int] = defaultdict(int)
    found: list[tuple[str, str]] = []
    for name in _venues(account_ids):
        look = gateway(name).look([str(account_id) for account_id in account_ids])
        for (_, symbol), net in look.positions.items():
            nets[symbol] += net
        found += [(name, client_order_id) for client_order_id in look.open_orders]
    return TreeLook({symbol: net for symbol, net in sorted(nets.items()) if net}, found)


def _venues(account_ids: Sequence[int]) -> list[str]:
    """Return the gateways of the tree's own connections and orders; another account's silent venue is no obstacle."""
    lineages = AccountPath.objects.filter(descendant__in=account_ids).values("ancestor")
    connected = AccountConnection.objects.filter(account__in=lineages)
    traded = Order.objects.filter(account__in=account_ids)
    names = {*connected.values_list("connection__gateway", flat=True), *traded.values_list("venue", flat=True)}
    return sorted(names) or [SimulatedExchange.name]


def close_positions(run: LiquidationRun, now: datetime) -> Outcome:
    """Send what closes the tree's open quantity less what is in flight, and wait for it to fill."""
    account_ids = subtree_ids(run.account_id)
    _take_in_answers(account_ids, now)
    before = fingerprint(whole_tree_ids(run.account_id))
    look = look_at_venue(account_ids)
    if _late_orders(look):
        return Outcome(RunEvent.LATE_ORDER, text="An order came to light", detail={"orders": _late_orders(look)})
    working = list(working_orders(account_ids))
    if not look.nets and not any(order.is_liquidation for order in working):
        return Outcome(RunEvent.NOTHING_OPEN, text="Nothing open")
    wanted = plan(_legs(look, working))
    return _send(run, wanted, look, before, now) if wanted else _await_fills(working, now)


def _take_in_answers(account_ids: Sequence[int], now: datetime) -> None:
    for order in working_orders(account_ids):
        if order.status == OrderStatus.PENDING_NEW and order.is_liquidation:
            send_order(order_id=order.pk, now=now)
        else:
            refresh_order(order_id=order.pk, now=now)


def _late_orders(look: TreeLook) -> list[str]:
    """Return the orders open at a venue that are neither ours to close with nor asked to be canceled."""
    ids = [client_order_id for _, client_order_id in look.open_orders]
    expected = Order.objects.filter(client_order_id__in=ids)
    known = {o.client_order_id for o in expected if o.is_liquidation or o.status == OrderStatus.PENDING_CANCEL}
    return sorted(set(ids) - known)


def _legs(look: TreeLook, working: Sequence[Order]) -> list[Leg]:
    buys: dict[str, int] = defaultdict(int)
    sells: dict[str, int] = defaultdict(int)
    for order in working:
        side = buys if order.side == Side.BUY else sells
        side[order.instrument.symbol] += order.leaves_qty
    return [Leg(symbol, net, buys[symbol], sells[symbol]) for symbol, net in look.nets.items()]


def _await_fills(working: Sequence[Order], now: datetime) -> Outcome:
    """Wait for closing orders in flight; take out one that has waited too long."""
    limit = timedelta(seconds=FILL_WAIT_SECONDS)
    shut = [order for order in working if order.failure_reason == FailureReason.SessionClosed]
    overdue = [o for o in working if o not in shut and o.sent_at is not None and now - o.sent_at >= limit]
    for order in overdue:
        cancel_order(order_id=order.pk, actor=TASK, now=now)
        send_cancel(order_id=order.pk, now=now)
    names = [order.client_order_id for order in overdue]
    if shut and not names:
        waits = ", ".join(sorted({order.instrument.symbol for order in shut}))
        return Outcome(None, text=f"Waits for the open: {waits}", wait_seconds=SHUT_WAIT_SECONDS, stops_the_clock=True)
    text = f"Not filled in {FILL_WAIT_SECONDS} s: {', '.join(names)} canceled" if names else "Waits for fills"
    return Outcome(None, text=text, detail={"overdue": names}, wait_seconds=0.2 if names else ASK_AGAIN_SECONDS)


def _send(run: LiquidationRun, wanted: Sequence[ClosingOrder], look: TreeLook, before: str, now: datetime) -> Outcome:
    blocked = {order.symbol: reason for order in wanted if (reason := _block(run, order.symbol))}
    attempts = {order.symbol: attempts_of(run, order.symbol) for order in wanted}
    spent = [order.symbol for order in wanted if order.symbol not in blocked and attempts[order.symbol].are_spent]
    open_legs = [order for order in wanted if order.symbol not in blocked and order.symbol not in spent]
    due = [order for order in open_legs if attempts[order.symbol].due_at <= now]
    if not open_legs:
        return _give_up(blocked, attempts, spent, look)
    if not due:
        soonest = min(attempts[order.symbol].due_at for order in open_legs)
        return Outcome(None, wait_seconds=max((soonest - now).total_seconds(), 0))
    orders = commit_intents(run, due, attempts, before, now)
    sent = [send_order(order_id=order.pk, now=now) or order for order in orders]
    detail = {"sent": [[order.client_order_id, order.side, order.qty, order.status] for order in sent]}
    return Outcome(None, text="; ".join(f"{o.side.lower()} {o.qty} {o.instrument}" for o in sent), detail=detail)


def _block(run: LiquidationRun, symbol: str) -> BlockReason | None:
    exchange = Instrument.objects.get(symbol=symbol).exchange
    user = liquidation_user_of(run.account)
    setting = UserExchangeSetting.objects.filter(user=user, exchange=exchange).first() if user else None
    return leg_block(
        liquidation_user=user.get_username() if user else None,
        is_active=bool(user and user.is_active),
        operator_id=setting.operator_id if setting else None,
        is_connected=exchange in connections_of(run.account),
    )


def _give_up(
    blocked: Mapping[str, BlockReason], attempts: Mapping[str, Attempts], spent: Sequence[str], look: TreeLook
) -> Outcome:
    detail = {"blocked": {symbol: reason.value for symbol, reason in blocked.items()}, "open": dict(look.nets)}
    if blocked:
        symbol, reason = next(iter(sorted(blocked.items())))
        return Outcome(RunEvent.BLOCKED, text=f"{symbol}: {reason}", reason=reason, detail=detail)
    last = attempts[spent[0]].last_status
    reason = BlockReason.REJECTED if last == OrderStatus.REJECTED else BlockReason.RETRIES_SPENT
    return Outcome(RunEvent.RETRIES_SPENT, text=f"{', '.join(spent)} cannot be closed", reason=reason, detail=detail)


def verify_flat(run: LiquidationRun, now: datetime) -> Outcome:
    """Look a second time: flat is what the venue says, not what the acknowledgements said."""
    account_ids = subtree_ids(run.account_id)
    _take_in_answers(account_ids, now)
    look = look_at_venue(account_ids)
    if _late_orders(look):
        return Outcome(RunEvent.LATE_ORDER, text="An order came to light", detail={"orders": _late_orders(look)})
    if look.nets:
        return Outcome(RunEvent.LATE_FILL, text="A fill came late", detail={"open": dict(look.nets)})
    left = [order.client_order_id for order in working_orders(account_ids) if order.status in OPEN_STATUSES]
    if left or look.open_orders:
        for order in working_orders(account_ids):
            send_cancel(order_id=order.pk, now=now)
        return Outcome(None, text="Orders are open still", detail={"orders": left}, wait_seconds=ASK_AGAIN_SECONDS)
    _compare_with_ours(run, account_ids, now)
    return Outcome(RunEvent.CONFIRMED, text="Flat")


def _compare_with_ours(run: LiquidationRun, account_ids: Sequence[int], now: datetime) -> None:
    ours: dict[str, int] = defaultdict(int)
    for position in held_positions(account_ids):
        ours[position.instrument.symbol] += position.net
    wrong = {symbol: net for symbol, net in ours.items() if net}
    if wrong:
        text = f"The venue is flat, our books hold {wrong} for {run.account}"
        raise_alert(account=run.account, code="POSITION_MISMATCH", text=text, now=now, again=True)
