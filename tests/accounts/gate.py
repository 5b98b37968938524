"""Short ways to the order gate."""

from decimal import Decimal
from typing import Any

from accounts.models import Account, Instrument, Order
from accounts.permissions import Actor
from accounts.rules.orders import OrderType
from accounts.rules.pnl import Side
from accounts.services.orders import NewOrder, OrderResult, submit_order
from tests import builders
from tests.builders import NOW


def submit(
    account: Account, side: Side = Side.BUY, qty: int = 1, *, actor: Actor | None = None, **order: Any
) -> OrderResult:
    """Submit a market order for ESZ6 unless told otherwise."""
    wanted = {"symbol": "ESZ6", "type": OrderType.MARKET} | order
    if wanted["symbol"] in builders.CONTRACTS and not Instrument.objects.filter(symbol=wanted["symbol"]).exists():
        builders.instrument(wanted["symbol"])
    return submit_order(
        account_id=account.pk,
        order=NewOrder(side=side, qty=qty, **wanted),
        actor=actor or builders.platform(),
        now=NOW,
    )


def pending(account: Account, side: Side = Side.BUY, qty: int = 1) -> Order:
    """Return an order that passed the gate and waits to be sent."""
    result = submit(account, side, qty)
    assert result.failure_reason is None, result.failure_text
    return Order.objects.get(pk=result.order_id)


def holding_at(account: Account, net: int, pnl: str) -> None:
    """Give an account a position whose P/L stands at `pnl` by the mark."""
    points = Decimal(pnl) / 50 / net
    builders.position(account, net=net, price=str(Decimal(6000) - points))
    builders.mark("ESZ6", "6000")
