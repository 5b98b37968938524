"""A simulated exchange behind the same gateway as a real one; its book is in the database, for every process to see.

It fills market orders at the current price at once, limit orders when the price reaches or passes theirs (at their
price), and rejects an order whose sender has no operator id.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import F

from accounts.models import Order
from accounts.rules.orders import OPEN_STATUSES, Execution, OrderReport, OrderStatus, OrderType, TimeInForce
from accounts.rules.pnl import Side
from liquidation.gateways.base import OrderTicket, VenueLook
from liquidation.models import VenueExecution, VenueOrder, VenuePosition, VenuePrice


class SimulatedExchange:
    """The exchange. Stateless: every call reads and writes its tables."""

    name = "simulated"

    @transaction.atomic
    def submit(self, ticket: OrderTicket) -> OrderReport:
        """Take an order, fill what can be filled, and report."""
        order, is_new = VenueOrder.objects.get_or_create(
            client_order_id=ticket.client_order_id,
            defaults={
                "account_ref": ticket.account_ref,
                "symbol": ticket.symbol,
                "side": ticket.side,
                "qty": ticket.qty,
                "type": ticket.type,
                "time_in_force": ticket.time_in_force,
                "price": ticket.price,
                "operator_id": ticket.operator_id,
                "status": OrderStatus.WORKING,
            },
        )
        if is_new:
            self._enter(order, ticket.sent_at)
        return self._report(order)

    def _enter(self, order: VenueOrder, sent_at: datetime) -> None:
        if not order.operator_id:
            self._end(order, OrderStatus.REJECTED, "No operator id")
            return
        current = VenuePrice.objects.select_for_update().filter(symbol=order.symbol).first()
        if order.type not in {OrderType.MARKET, OrderType.LIMIT}:
            self._end(order, OrderStatus.REJECTED, f"{order.type} orders are not supported")
        elif current is not None and _is_reached(order, current.price):
            price = current.price if order.type == OrderType.MARKET or order.price is None else order.price
            self._fill(order, price, max(current.at, sent_at))
        elif order.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}:
            self._end(order, OrderStatus.CANCELED, "Nothing to trade with")
        elif current is None and order.type == OrderType.MARKET:
            self._end(order, OrderStatus.REJECTED, "No price")

    @transaction.atomic
    def cancel(self, client_order_id: str) -> OrderReport | None:
        """Take an order out of the book; one that is filled already stays filled."""
        order = VenueOrder.objects.select_for_update().filter(client_order_id=client_order_id).first()
        if order is None:
            return None
        if order.status in OPEN_STATUSES:
            self._end(order, OrderStatus.CANCELED, "")
        return self._report(order)

    def order_status(self, client_order_id: str) -> OrderReport | None:
        """Tell where an order stands."""
        order = VenueOrder.objects.filter(client_order_id=client_order_id).first()
        return None if order is None else self._report(order)

    @transaction.atomic
    def look(self, account_refs: Sequence[str]) -> VenueLook:
        """Tell what these accounts hold and have working."""
        positions = VenuePosition.objects.filter(account_ref__in=account_refs).exclude(net=0)
        orders = VenueOrder.objects.filter(account_ref__in=account_refs, status__in=sorted(OPEN_STATUSES))
        return VenueLook(
            positions={(row.account_ref, row.symbol): row.net for row in positions.order_by("account_ref", "symbol")},
            open_orders=list(orders.order_by("id").values_list("client_order_id", flat=True)),
        )

    @transaction.atomic
    def move_price(self, symbol: str, price: Decimal, at: datetime) -> list[str]:
        """Trade `symbol` at `price` from now on; return the client order ids of the resting orders that fill."""
        self.set_price(symbol, price, at)
        resting = VenueOrder.objects.select_for_update().filter(symbol=symbol, status=OrderStatus.WORKING)
        reached = [order for order in resting.order_by("id") if _is_reached(order, price)]
        for order in reached:
            self._fill(order, price if order.price is None else order.price, at)
        return [order.client_order_id for order in reached]

    def set_price(self, symbol: str, price: Decimal, at: datetime) -> None:
        """Note the price without looking at the resting orders."""
        VenuePrice.objects.update_or_create(symbol=symbol, defaults={"price": price, "at": at})

    def seed_position(self, account_ref: str, symbol: str, net: int) -> None:
        """Give an account a position that was made before this exchange was looked at."""
        VenuePosition.objects.update_or_create(account_ref=account_ref, symbol=symbol, defaults={"net": net})

    def seed_order(self, order: Order) -> None:
        """Put a working order of ours into the book as one that came in before."""
        _resting(order).save(force_insert=True)

    @transaction.atomic
    def seed(self, positions: Mapping[tuple[str, str], int], orders: Sequence[Order]) -> None:
        """Give many accounts the positions and working orders of a new book at once.

        Args:
            positions: Net by (account reference, symbol), of accounts that this exchange has not seen.
        """
        VenuePosition.objects.bulk_create(
            VenuePosition(account_ref=account_ref, symbol=symbol, net=net)
            for (account_ref, symbol), net in positions.items()
        )
        VenueOrder.objects.bulk_create(_resting(order) for order in orders)

    def _fill(self, order: VenueOrder, price: Decimal, at: datetime) -> None:
        qty = order.qty - order.filled_qty
        VenueExecution.objects.create(
            execution_id=f"{order.client_order_id}-{order.filled_qty + qty}", order=order, qty=qty, price=price, at=at
        )
        order.filled_qty = order.qty
        self._end(order, OrderStatus.FILLED, "")
        VenuePosition.objects.get_or_create(account_ref=order.account_ref, symbol=order.symbol)
        VenuePosition.objects.filter(account_ref=order.account_ref, symbol=order.symbol).update(
            net=F("net") + Side(order.side).sign * qty
        )

    def _end(self, order: VenueOrder, status: OrderStatus, text: str) -> None:
        order.status, order.text = status, text
        order.save(update_fields=["status", "text", "filled_qty"])

    def _report(self, order: VenueOrder) -> OrderReport:
        executions = order.executions.order_by("id")
        return OrderReport(
            client_order_id=order.client_order_id,
            status=OrderStatus(order.status),
            executions=tuple(Execution(row.execution_id, row.qty, row.price, row.at) for row in executions),
            text=order.text,
        )


def _resting(order: Order) -> VenueOrder:
    return VenueOrder(
        client_order_id=order.client_order_id,
        account_ref=str(order.account_id),
        symbol=order.instrument.symbol,
        side=order.side,
        qty=order.qty,
        filled_qty=order.filled_qty,
        type=order.type,
        time_in_force=order.time_in_force,
        price=order.price,
        operator_id=order.operator_id,
        status=OrderStatus.WORKING,
    )


def _is_reached(order: VenueOrder, price: Decimal) -> bool:
    """A market order trades at any price; a limit order when the price reaches or passes it."""
    if order.type == OrderType.MARKET or order.price is None:
        return True
    return price <= order.price if order.side == Side.BUY else price >= order.price
