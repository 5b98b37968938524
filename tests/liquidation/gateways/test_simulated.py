"""The simulated exchange behaves as its page says: fills, rests, rejects, and knows each order once."""

from decimal import Decimal

import pytest

from accounts.rules.orders import OrderReport, OrderStatus, OrderType, TimeInForce
from accounts.rules.pnl import Side
from liquidation.gateways.base import OrderTicket
from liquidation.gateways.registry import gateway
from liquidation.gateways.simulated import SimulatedExchange
from tests.builders import NOW, seconds

pytestmark = pytest.mark.django_db
VENUE = SimulatedExchange()


def ticket(name: str = "A", **changes: object) -> OrderTicket:
    fields = {
        "client_order_id": name, "account_ref": "7", "symbol": "ESZ6", "exchange": "CME", "side": Side.BUY, "qty": 2,
        "type": OrderType.MARKET, "time_in_force": TimeInForce.DAY, "price": None, "operator_id": "OP1",
        "is_automated": True, "sent_at": NOW,
    }  # fmt: skip
    return OrderTicket(**(fields | changes))


def limit(name: str = "A", price: str = "6000", **changes: object) -> OrderTicket:
    return ticket(name, type=OrderType.LIMIT, price=Decimal(price), **changes)


@pytest.fixture
def priced() -> None:
    VENUE.set_price("ESZ6", Decimal(6000), NOW)


def prices(report: OrderReport) -> list[tuple[int, Decimal]]:
    return [(execution.qty, execution.price) for execution in report.executions]


def test_a_market_order_fills_at_the_current_price_at_once(priced: None) -> None:
    report = VENUE.submit(ticket())
    assert (report.status, prices(report)) == (OrderStatus.FILLED, [(2, Decimal(6000))])
    assert VENUE.look(["7"]).positions == {("7", "ESZ6"): 2}


def test_without_a_price_a_market_order_is_rejected() -> None:
    assert VENUE.submit(ticket()).status == OrderStatus.REJECTED


@pytest.mark.parametrize(
    ("side", "price", "status"),
    [
        (Side.BUY, "5999.75", OrderStatus.WORKING),
        (Side.BUY, "6000", OrderStatus.FILLED),
        (Side.BUY, "6000.25", OrderStatus.FILLED),
        (Side.SELL, "6000.25", OrderStatus.WORKING),
        (Side.SELL, "6000", OrderStatus.FILLED),
        (Side.SELL, "5999.75", OrderStatus.FILLED),
    ],
)
def test_a_limit_order_fills_at_its_price_when_the_market_reaches_or_passes_it(
    priced: None, side: Side, price: str, status: OrderStatus
) -> None:
    report = VENUE.submit(limit(side=side, price=price))
    assert report.status == status
    assert prices(report) == ([(2, Decimal(price))] if status == OrderStatus.FILLED else [])


def test_a_resting_order_fills_when_the_price_comes_to_it(priced: None) -> None:
    VENUE.submit(limit(price="5990"))
    assert VENUE.move_price("ESZ6", Decimal("5990.25"), NOW) == []
    assert VENUE.move_price("NQZ6", Decimal(1), NOW) == []
    assert VENUE.move_price("ESZ6", Decimal(5989), NOW) == ["A"]
    report = VENUE.order_status("A")
    assert report is not None
    assert prices(report) == [(2, Decimal(5990))]


def test_a_sender_without_an_operator_id_is_rejected(priced: None) -> None:
    report = VENUE.submit(ticket(operator_id=""))
    assert (report.status, report.text) == (OrderStatus.REJECTED, "No operator id")


def test_an_order_type_it_does_not_know_is_rejected(priced: None) -> None:
    assert VENUE.submit(ticket(type=OrderType.STOP)).status == OrderStatus.REJECTED


@pytest.mark.parametrize("time_in_force", [TimeInForce.IOC, TimeInForce.FOK])
def test_an_immediate_order_that_cannot_trade_is_canceled(priced: None, time_in_force: TimeInForce) -> None:
    assert VENUE.submit(limit(price="5000", time_in_force=time_in_force)).status == OrderStatus.CANCELED


def test_the_same_client_order_id_sent_twice_makes_one_order(priced: None) -> None:
    assert VENUE.submit(ticket()) == VENUE.submit(ticket())
    assert VENUE.look(["7"]).positions == {("7", "ESZ6"): 2}


def test_a_cancel_takes_a_resting_order_out_and_leaves_a_filled_one_filled(priced: None) -> None:
    VENUE.submit(limit(price="5990"))
    VENUE.submit(ticket("B"))
    assert VENUE.look(["7"]).open_orders == ["A"]
    resting, filled = VENUE.cancel("A"), VENUE.cancel("B")
    assert resting is not None
    assert filled is not None
    assert (resting.status, filled.status) == (OrderStatus.CANCELED, OrderStatus.FILLED)
    assert VENUE.look(["7"]).open_orders == []


def test_an_order_it_does_not_know_has_no_state() -> None:
    assert VENUE.cancel("X") is None
    assert VENUE.order_status("X") is None


def test_a_gateway_that_is_not_installed_is_said_so() -> None:
    assert gateway("simulated").name == "simulated"
    with pytest.raises(LookupError, match="No gateway named teleprinter"):
        gateway("teleprinter")


def test_a_fill_is_never_dated_before_its_order(priced: None) -> None:
    report = VENUE.submit(ticket(sent_at=NOW + seconds(3)))
    assert [execution.at for execution in report.executions] == [NOW + seconds(3)]
