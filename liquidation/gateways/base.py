"""What every gateway can do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from accounts.rules.orders import OrderReport, OrderType, TimeInForce
from accounts.rules.pnl import Side


class VenueUnavailable(Exception):
    """The venue gave no answer. What was asked may have happened or not: look before asking again."""


class MarketClosed(Exception):
    """The venue is shut: the order did not go in, and can be sent again at the open."""


@dataclass(frozen=True, slots=True)
class OrderTicket:
    """An order as it goes to the venue. `account_ref` is our account's id as text; `sent_at` is aware UTC."""

    client_order_id: str
    account_ref: str
    symbol: str
    exchange: str
    side: Side
    qty: int
    type: OrderType
    time_in_force: TimeInForce
    price: Decimal | None
    operator_id: str
    is_automated: bool
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class VenueLook:
    """What the venue says at one moment: net positions by (account reference, symbol), and the orders still open."""

    positions: Mapping[tuple[str, str], int]
    open_orders: Sequence[str]


class Gateway(Protocol):
    """A venue as the risk desk needs it. Every call may raise `VenueUnavailable`."""

    name: str

    def submit(self, ticket: OrderTicket) -> OrderReport:
        """Send an order. The same client order id sent twice makes one order; the second call tells its state.

        Raises:
            MarketClosed: the venue is shut and has not taken the order.
        """

    def cancel(self, client_order_id: str) -> OrderReport | None:
        """Ask for an order's cancel and tell its state; None for an order that the venue does not know."""

    def order_status(self, client_order_id: str) -> OrderReport | None:
        """Tell an order's state and executions; None for an order that the venue does not know."""

    def look(self, account_refs: Sequence[str]) -> VenueLook:
        """Tell what these accounts hold and have working, at one moment."""
