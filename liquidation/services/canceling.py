"""The first half of a liquidation: take every working order of the tree out of the market."""

from datetime import datetime, timedelta

from accounts.models import Order
from accounts.permissions import TASK
from accounts.rules.orders import OPEN_STATUSES
from accounts.selectors import subtree_ids, working_orders
from accounts.services.orders import cancel_order
from liquidation.gateways.registry import gateway
from liquidation.models import LiquidationRun
from liquidation.rules.states import RunEvent
from liquidation.services.alerts import raise_alert
from liquidation.services.closing import Outcome, look_at_venue
from liquidation.services.routing import refresh_order, send_cancel

# After this long without an answer to a cancel, closing goes on, sized as if the order could still fill (F08).
CANCEL_WAIT_SECONDS = 10
ASK_AGAIN_SECONDS = 1


def cancel_orders(run: LiquidationRun, now: datetime) -> Outcome:
    """Cancel every working order of the run's tree and wait until the venue says they are gone."""
    account_ids = subtree_ids(run.account_id)
    asked = [_cancel(order, now) for order in working_orders(account_ids)]
    strangers = _cancel_strangers(account_ids)
    left = list(working_orders(account_ids))
    ended = [order for order in asked if order.status not in OPEN_STATUSES]
    detail = {
        "canceled": [order.client_order_id for order in ended],
        "unanswered": [order.client_order_id for order in left],
        "unknown_to_us": strangers,
    }
    if not left:
        return Outcome(RunEvent.ORDERS_GONE, text=_count(len(ended) + len(strangers)), detail=detail)
    if now - run.state_since < timedelta(seconds=CANCEL_WAIT_SECONDS):
        return Outcome(None, text="Waits for cancels", detail=detail, wait_seconds=ASK_AGAIN_SECONDS)
    text = f"{len(left)} orders of {run.account} were not confirmed as canceled"
    raise_alert(account=run.account, code="CANCEL_UNCONFIRMED", text=text, now=now, again=True)
    return Outcome(RunEvent.ORDERS_GONE, text=text, detail=detail)


def _cancel(order: Order, now: datetime) -> Order:
    cancel_order(order_id=order.pk, actor=TASK, now=now)
    order.refresh_from_db()
    if order.status in OPEN_STATUSES:
        send_cancel(order_id=order.pk, now=now)
        return refresh_order(order_id=order.pk, now=now)
    return order


def _cancel_strangers(account_ids: list[int]) -> list[str]:
    """Cancel what the venue has open and we do not: its number counts, not ours (F45)."""
    look = look_at_venue(account_ids)
    ours = {order.client_order_id for order in working_orders(account_ids)}
    strangers = [(name, found) for name, found in look.open_orders if found not in ours]
    for name, client_order_id in strangers:
        gateway(name).cancel(client_order_id)
    return [found for _, found in strangers]


def _count(canceled: int) -> str:
    return "1 order canceled" if canceled == 1 else f"{canceled} orders canceled"
