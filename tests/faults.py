"""A venue that misbehaves on order: it wraps the simulated exchange and does to each call what the test says."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from accounts.rules.orders import OrderReport, OrderStatus
from liquidation.gateways.base import MarketClosed, OrderTicket, VenueLook, VenueUnavailable
from liquidation.gateways.simulated import SimulatedExchange
from liquidation.models import VenueOrder
from tests.builders import NOW


class Killed(BaseException):
    """The process is gone: nothing after this line runs."""


Fault = Callable[[str], None]


class FaultyVenue(SimulatedExchange):
    """The simulated exchange, with a say before and after every call.

    `before` and `after` are called with "submit", "cancel", "status" or "look", and may raise.
    """

    def __init__(self, *, before: Fault = lambda _call: None, after: Fault = lambda _call: None) -> None:
        self.before, self.after = before, after
        self.calls: list[str] = []
        self.tickets: list[OrderTicket] = []
        self.reject_next = 0
        self.rest_next = 0
        self.partial_qty: int | None = None
        self.deaf_to_cancels = False
        self.is_shut: Callable[[], bool] = lambda: False

    def submit(self, ticket: OrderTicket) -> OrderReport:
        self._enter_call("submit")
        if self.is_shut():
            raise MarketClosed("until the open")
        self.tickets.append(ticket)
        is_known = self.order_state(ticket.client_order_id) is not None
        if is_known:
            report = super().submit(ticket)
        elif self.reject_next:
            self.reject_next -= 1
            report = self._refused(ticket)
        elif self.rest_next:
            self.rest_next -= 1
            report = self._resting(ticket)
        else:
            report = super().submit(ticket)
        self.after("submit")
        return report

    def cancel(self, client_order_id: str) -> OrderReport | None:
        self._enter_call("cancel")
        report = self.order_state(client_order_id) if self.deaf_to_cancels else super().cancel(client_order_id)
        self.after("cancel")
        return report

    def order_status(self, client_order_id: str) -> OrderReport | None:
        self._enter_call("status")
        return self.order_state(client_order_id)

    def look(self, account_refs: Sequence[str]) -> VenueLook:
        self._enter_call("look")
        look = super().look(account_refs)
        self.after("look")
        return look

    def order_state(self, client_order_id: str) -> OrderReport | None:
        return super().order_status(client_order_id)

    def _enter_call(self, call: str) -> None:
        self.calls.append(call)
        self.before(call)

    def _refused(self, ticket: OrderTicket) -> OrderReport:
        order = self._stored(ticket, OrderStatus.REJECTED)
        order.text = "Not now"
        order.save()
        return self._report(order)

    def _resting(self, ticket: OrderTicket) -> OrderReport:
        """Take the order and fill `partial_qty` of it, or nothing."""
        order = self._stored(ticket, OrderStatus.WORKING)
        if self.partial_qty:
            self.fill_partly(order, self.partial_qty)
        return self._report(order)

    def _stored(self, ticket: OrderTicket, status: OrderStatus) -> VenueOrder:
        return VenueOrder.objects.create(
            client_order_id=ticket.client_order_id,
            account_ref=ticket.account_ref,
            symbol=ticket.symbol,
            side=ticket.side,
            qty=ticket.qty,
            type=ticket.type,
            time_in_force=ticket.time_in_force,
            price=ticket.price,
            operator_id=ticket.operator_id,
            status=status,
        )

    def fill_partly(self, order: VenueOrder, qty: int, price: str = "5980") -> None:
        whole = order.qty
        order.qty = order.filled_qty + qty
        status = order.status
        self._fill(order, Decimal(price), NOW)
        order.qty, order.status = whole, status if order.filled_qty < whole else OrderStatus.FILLED
        order.save()


def unavailable(*calls: str, times: int = 1) -> Fault:
    """Return a fault: the first `times` of these calls get no answer."""
    left = times

    def fault(call: str) -> None:
        nonlocal left
        if call in calls and left:
            left -= 1
            raise VenueUnavailable("silence")

    return fault


def killed_at(number: int) -> Fault:
    """Return a fault: the process dies at the call of this number, counted from 1."""
    seen = 0

    def fault(_call: str) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            raise Killed

    return fault
