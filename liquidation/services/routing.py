"""Carry orders and cancels to their venue and take in what it answers.

A venue is called outside any transaction, after the intent is committed; the client order id makes a repeat harmless.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from accounts.models import Order
from accounts.rules.orders import OrderReport, OrderStatus, OrderType, TimeInForce
from accounts.rules.pnl import Side
from accounts.services.venue_reports import apply_report, claim_for_sending, note_asked, note_market_closed
from liquidation.gateways.base import Gateway, MarketClosed, OrderTicket, VenueUnavailable
from liquidation.gateways.registry import gateway

logger = logging.getLogger(__name__)

# How long an order that the venue does not know may still be on its way there.
ON_ITS_WAY_SECONDS = 5


def send_order(*, order_id: int, now: datetime) -> Order | None:
    """Send an order whose row is committed; return it as the venue answered, or None when it must not go.

    Safe to repeat: the venue knows an order by its client order id and makes it once (F03, F04). One that was sent
    before and got no answer is asked for first, and sent again only when the venue does not know it.

    Args:
        now: Aware UTC.
    """
    order = Order.objects.filter(pk=order_id).first()
    if order is None:
        return None
    if order.status == OrderStatus.PENDING_NEW and order.sent_at is not None:
        order, answered = _ask(order_id, lambda venue, name: venue.order_status(name), now)
        if answered or _may_be_on_its_way(order, now):
            return order
    order = claim_for_sending(order_id=order_id, now=now)
    if order is None:
        return None
    try:
        report = gateway(order.venue).submit(_ticket(order, now))
    except VenueUnavailable:
        logger.warning("No answer from %s to order %s: asked again later", order.venue, order.client_order_id)
        return order
    except MarketClosed:
        return note_market_closed(order_id=order.pk, now=now)
    return apply_report(order_id=order.pk, report=report, now=now)


def _may_be_on_its_way(order: Order, now: datetime) -> bool:
    """A closing order is sent again at once, for its id makes that harmless; a trader's might meet a lock meanwhile."""
    if order.is_liquidation or order.sent_at is None:
        return False
    return now - order.sent_at < timedelta(seconds=ON_ITS_WAY_SECONDS)


def send_cancel(*, order_id: int, now: datetime) -> Order:
    """Ask the venue for an order's cancel and take in the answer.

    An order that the venue does not know may be on its way: it stays as it is for a while, and counts as canceled then.

    Args:
        now: Aware UTC.
    """
    order, answered = _ask(order_id, lambda venue, name: venue.cancel(name), now)
    if answered or order.sent_at is None or now - order.sent_at < timedelta(seconds=ON_ITS_WAY_SECONDS):
        return order
    report = OrderReport(order.client_order_id, OrderStatus.CANCELED, text="It never reached the venue")
    return apply_report(order_id=order.pk, report=report, now=now)


def refresh_order(*, order_id: int, now: datetime) -> Order:
    """Ask the venue where an order stands and take in the answer.

    Args:
        now: Aware UTC.
    """
    order, answered = _ask(order_id, lambda venue, name: venue.order_status(name), now)
    if not answered:
        note_asked(order_id=order.pk, now=now)
    return order


def _ask(order_id: int, question: Callable[[Gateway, str], OrderReport | None], now: datetime) -> tuple[Order, bool]:
    """Return the order as the venue answered, and whether it knows it; from silence nothing is concluded."""
    order = Order.objects.get(pk=order_id)
    try:
        report = question(gateway(order.venue), order.client_order_id)
    except VenueUnavailable:
        logger.warning("No answer from %s about order %s: asked again later", order.venue, order.client_order_id)
        return order, True
    if report is None:
        return order, False
    return apply_report(order_id=order.pk, report=report, now=now), True


def _ticket(order: Order, now: datetime) -> OrderTicket:
    return OrderTicket(
        client_order_id=order.client_order_id,
        account_ref=str(order.account_id),
        symbol=order.instrument.symbol,
        exchange=order.instrument.exchange,
        side=Side(order.side),
        qty=order.qty,
        type=OrderType(order.type),
        time_in_force=TimeInForce(order.time_in_force),
        price=order.price,
        operator_id=order.operator_id,
        is_automated=order.is_automated,
        sent_at=now,
    )
