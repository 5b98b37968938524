"""Profit and loss of one position."""

from decimal import Decimal, localcontext
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.rules.money import from_ticks, to_micros
from accounts.rules.pnl import (
    ContractSpec,
    Holding,
    Side,
    open_pnl,
    realized_pnl,
    session_pnl,
    start_of_day,
    with_fill,
)

ES = ContractSpec("ESZ3", "CME", "ES", Decimal("0.25"), Decimal("12.50"), "USD")
THIRDS = ContractSpec("THZ3", "XXX", "TH", Decimal("0.3"), Decimal("0.1"), "USD")

TICKS = st.integers(-100_000, 100_000)
PRICES = TICKS.map(lambda ticks: from_ticks(ticks, ES.tick_size))
POSITIONS = st.integers(-500, 500)
FILLS = st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 500), PRICES), max_size=12)

Fill = tuple[Side, int, Decimal]


def filled(holding: Holding, fills: list[Fill]) -> Holding:
    return reduce(lambda held, fill: with_fill(held, side=fill[0], qty=fill[1], price=fill[2]), fills, holding)


def test_a_side_has_a_sign_and_an_opposite() -> None:
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)
    assert (Side.BUY.opposite, Side.SELL.opposite) == (Side.SELL, Side.BUY)


def test_a_session_starts_without_profit_at_the_price_it_counts_from() -> None:
    holding = start_of_day(-3, Decimal("1651.75"))
    assert (holding.net, holding.net_price) == (-3, Decimal("1651.75"))
    assert session_pnl(holding, Decimal("1651.75"), ES) == 0
    assert session_pnl(holding, Decimal("1652.75"), ES) == Decimal(-150)


def test_a_new_holding_is_flat_and_has_no_price() -> None:
    assert (Holding().net, Holding().net_price) == (0, None)
    assert session_pnl(Holding(), Decimal(100), ES) == 0


@pytest.mark.parametrize(("opening", "closing"), [(Side.BUY, Side.SELL), (Side.SELL, Side.BUY)])
def test_adding_averages_and_reducing_keeps_the_average(opening: Side, closing: Side) -> None:
    held = filled(Holding(), [(opening, 2, Decimal(100)), (opening, 2, Decimal(102))])
    assert held.net_price == Decimal(101)
    held = with_fill(held, side=closing, qty=3, price=Decimal(110))
    assert (held.net, held.net_price) == (opening.sign, Decimal(101))
    assert realized_pnl(held, ES) == opening.sign * 3 * 9 * 50


@pytest.mark.parametrize(("qty", "net", "open_value"), [(2, 1, "100"), (3, 0, "0"), (4, -1, "-105")])
def test_a_fill_just_under_on_and_just_over_the_position(qty: int, net: int, open_value: str) -> None:
    held = with_fill(start_of_day(3, Decimal(100)), side=Side.SELL, qty=qty, price=Decimal(105))
    assert (held.net, held.open_value) == (net, Decimal(open_value))
    assert realized_pnl(held, ES) == min(qty, 3) * 5 * 50


def test_the_average_is_rounded_half_even_to_nine_decimals() -> None:
    held = filled(Holding(), [(Side.BUY, 1, Decimal(100)), (Side.BUY, 2, Decimal("100.50"))])
    assert held.net_price == Decimal("100.333333333")
    held = with_fill(held, side=Side.SELL, qty=1, price=Decimal(101))
    assert held.open_value == Decimal("200.666666667")
    assert realized_pnl(held, ES) + open_pnl(held, Decimal(101), ES) == Decimal(100)


def test_negative_prices_are_prices() -> None:
    held = with_fill(Holding(), side=Side.BUY, qty=2, price=Decimal("-37.50"))
    assert session_pnl(held, Decimal("-40.00"), ES) == Decimal(-250)


@pytest.mark.parametrize("qty", [0, -1])
def test_a_fill_has_a_quantity_above_zero(qty: int) -> None:
    with pytest.raises(ValueError, match="qty must be above zero"):
        with_fill(Holding(), side=Side.BUY, qty=qty, price=Decimal(1))


@pytest.mark.parametrize("qty", [True, 1.0, Decimal(1)])
def test_a_fill_has_a_whole_quantity(qty: Any) -> None:
    with pytest.raises(TypeError, match="qty must be an integer"):
        with_fill(Holding(), side=Side.BUY, qty=qty, price=Decimal(1))


def test_a_price_or_mark_that_is_no_number_is_refused() -> None:
    unpriced = Decimal("NaN")
    with pytest.raises(ValueError, match="price must be finite"):
        with_fill(Holding(), side=Side.BUY, qty=1, price=unpriced)
    with pytest.raises(ValueError, match="prev_price must be finite"):
        start_of_day(1, unpriced)
    for pnl in (session_pnl, open_pnl):
        with pytest.raises(ValueError, match="mark must be finite"):
            pnl(start_of_day(1, Decimal(1)), unpriced, ES)


@given(POSITIONS, PRICES, FILLS, PRICES)
def test_realized_and_open_add_up_to_the_session(prev: int, price: Decimal, fills: list[Fill], mark: Decimal) -> None:
    held = filled(start_of_day(prev, price), fills)
    for spec in (ES, THIRDS):
        with localcontext() as context:
            context.prec = 100
            assert realized_pnl(held, spec) + open_pnl(held, mark, spec) == session_pnl(held, mark, spec)


@given(POSITIONS, PRICES, FILLS, PRICES)
def test_every_part_can_be_stored_without_loss(prev: int, price: Decimal, fills: list[Fill], mark: Decimal) -> None:
    held = filled(start_of_day(prev, price), fills)
    for part in (realized_pnl(held, ES), open_pnl(held, mark, ES), session_pnl(held, mark, ES)):
        to_micros(part)


@given(POSITIONS, PRICES, FILLS, PRICES, st.data())
def test_the_session_does_not_depend_on_the_order_of_fills(
    prev: int, price: Decimal, fills: list[Fill], mark: Decimal, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(fills))
    start = start_of_day(prev, price)
    assert session_pnl(filled(start, fills), mark, ES) == session_pnl(filled(start, shuffled), mark, ES)


@given(FILLS, PRICES)
def test_undoing_every_fill_at_its_price_leaves_nothing(fills: list[Fill], mark: Decimal) -> None:
    undone = [(side.opposite, qty, price) for side, qty, price in fills]
    held = filled(Holding(), fills + undone)
    assert (held.net, held.open_value) == (0, Decimal(0))
    assert held.net_price is None
    assert session_pnl(held, mark, ES) == realized_pnl(held, ES) == open_pnl(held, mark, ES) == 0


@given(POSITIONS, PRICES, FILLS)
def test_the_net_is_what_was_carried_and_filled(prev: int, price: Decimal, fills: list[Fill]) -> None:
    held = filled(start_of_day(prev, price), fills)
    assert held.net == prev + sum(side.sign * qty for side, qty, _ in fills)
    assert (held.net_price is None) == (held.net == 0)


@given(POSITIONS, PRICES, FILLS)
def test_the_average_lies_between_the_prices_traded(prev: int, price: Decimal, fills: list[Fill]) -> None:
    average = filled(start_of_day(prev, price), fills).net_price
    traded = [price, *(fill[2] for fill in fills)]
    slack = Decimal("0.000001")
    assert average is None or min(traded) - slack <= average <= max(traded) + slack
