"""Take in the fills that a venue tells by itself."""

import logging
from datetime import datetime

from accounts.models import Account, Instrument, Order
from accounts.permissions import TASK
from accounts.rules.orders import Execution, OrderReport, OrderStatus
from accounts.services.fills import record_fill
from accounts.services.venue_reports import apply_report
from liquidation.feeds.base import FillEvent
from liquidation.services.alerts import raise_alert

logger = logging.getLogger(__name__)


def take_fill(*, fill: FillEvent, now: datetime) -> bool:
    """Apply a fill to its order, or to the account alone where the order is not ours; return whether it could be.

    Safe to repeat: an execution counts once, by its venue and id (F13). A fill of an unknown account or contract is
    alerted and left out: nothing is guessed (F46).

    Args:
        now: Aware UTC.
    """
    order = Order.objects.filter(client_order_id=fill.client_order_id).first() if fill.client_order_id else None
    if order is not None:
        execution = Execution(fill.execution_id, fill.qty, fill.price, fill.at)
        report = OrderReport(fill.client_order_id, OrderStatus.WORKING, (execution,))
        apply_report(order_id=order.pk, report=report, now=now)
        return True
    account = Account.objects.filter(pk=int(fill.account_ref)).first() if fill.account_ref.isdecimal() else None
    instrument = Instrument.objects.filter(symbol=fill.symbol).first()
    if account is None or instrument is None:
        text = f"Fill {fill.execution_id} of {fill.venue} is not applied: unknown account or contract"
        logger.error("%s (%r, %r)", text, fill.account_ref, fill.symbol)
        raise_alert(account=None, code=f"FILL_UNKNOWN:{fill.execution_id}"[:64], text=text, now=now)
        return False
    record_fill(
        venue=fill.venue,
        execution_id=fill.execution_id,
        account=account,
        instrument=instrument,
        side=fill.side,
        qty=fill.qty,
        price=fill.price,
        filled_at=fill.at,
        actor=TASK,
        now=now,
    )
    return True
