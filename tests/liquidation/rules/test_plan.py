"""Closing orders."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.rules.pnl import Side
from liquidation.rules.plan import (
    MAX_ATTEMPTS,
    ClosingOrder,
    Leg,
    Rung,
    client_order_id,
    closing_order,
    parse_client_order_id,
    plan,
    protected_price,
    retry_delay_seconds,
    rung,
    slice_qty,
)

QUANTITIES = st.integers(0, 500)
LEGS = st.builds(
    Leg,
    symbol=st.just("ESZ3"),
    net=st.integers(-500, 500),
    in_flight_buys=QUANTITIES,
    in_flight_sells=QUANTITIES,
)


@pytest.mark.parametrize(
    ("leg", "expected"),
    [
        (Leg("ESZ3", 5), ClosingOrder("ESZ3", Side.SELL, 5)),
        (Leg("ESZ3", -5), ClosingOrder("ESZ3", Side.BUY, 5)),
        (Leg("ESZ3", 5, in_flight_buys=9), ClosingOrder("ESZ3", Side.SELL, 5)),
        (Leg("ESZ3", -5, in_flight_sells=9), ClosingOrder("ESZ3", Side.BUY, 5)),
        (Leg("ESZ3", 5, in_flight_sells=4), ClosingOrder("ESZ3", Side.SELL, 1)),
        (Leg("ESZ3", 5, in_flight_sells=5), None),
        (Leg("ESZ3", 5, in_flight_sells=6), None),
        (Leg("ESZ3", -5, in_flight_buys=4), ClosingOrder("ESZ3", Side.BUY, 1)),
        (Leg("ESZ3", -5, in_flight_buys=5), None),
        (Leg("ESZ3", 0), None),
        (Leg("ESZ3", 0, in_flight_buys=3, in_flight_sells=3), None),
    ],
)
def test_a_closing_order_takes_what_is_open_less_what_may_still_close_it(leg, expected):
    assert closing_order(leg) == expected


@given(leg=LEGS, data=st.data())
def test_whatever_fills_the_position_neither_flips_nor_grows_because_of_ours(leg, data):
    order = closing_order(leg)
    if order is None:
        return
    ours = order.side.sign * data.draw(st.integers(0, order.qty))
    in_flight = leg.in_flight_sells if order.side is Side.SELL else leg.in_flight_buys
    theirs = order.side.sign * data.draw(st.integers(0, in_flight))
    without, after = leg.net + theirs, leg.net + theirs + ours
    assert after * leg.net >= 0
    assert abs(after) <= abs(without) <= abs(leg.net)


@given(leg=LEGS)
def test_when_everything_on_the_closing_side_fills_at_least_the_position_is_closed(leg):
    order = closing_order(leg)
    ours = order.qty if order else 0
    in_flight = leg.in_flight_sells if leg.net > 0 else leg.in_flight_buys
    assert ours + in_flight >= abs(leg.net)


@pytest.mark.parametrize("figures", [{"in_flight_buys": -1}, {"in_flight_sells": -1}])
def test_a_negative_quantity_in_flight_is_refused(figures):
    with pytest.raises(ValueError, match=next(iter(figures))):
        Leg("ESZ3", 1, **figures)


def test_contracts_are_whole_numbers():
    with pytest.raises(TypeError, match="net"):
        Leg("ESZ3", Decimal(1))


def test_a_plan_is_sorted_by_symbol_and_leaves_out_what_is_flat():
    legs = [Leg("NQZ3", -1), Leg("CLZ3", 0), Leg("ESZ3", 2)]
    assert plan(iter(legs)) == (ClosingOrder("ESZ3", Side.SELL, 2), ClosingOrder("NQZ3", Side.BUY, 1))


def test_two_legs_of_one_symbol_are_refused():
    with pytest.raises(ValueError, match="ESZ3 has two legs"):
        plan([Leg("ESZ3", 2), Leg("ESZ3", 2)])


def test_the_ladder_goes_from_market_to_protected_limit_to_slices():
    rungs = [rung(attempt) for attempt in range(1, MAX_ATTEMPTS + 1)]
    assert rungs == [Rung.MARKET, Rung.PROTECTED_LIMIT, Rung.IOC_SLICE, Rung.IOC_SLICE, Rung.IOC_SLICE]


@pytest.mark.parametrize(
    ("qty", "attempt", "sent"), [(9, 1, 9), (9, 2, 9), (9, 3, 4), (8, 5, 4), (3, 3, 1), (2, 3, 1), (1, 3, 1)]
)
def test_only_a_slice_sends_half_and_at_least_one(qty, attempt, sent):
    assert slice_qty(qty, attempt) == sent


@given(qty=st.integers(1, 10**6), attempt=st.integers(1, 20))
def test_a_slice_is_never_more_than_the_order(qty, attempt):
    assert 1 <= slice_qty(qty, attempt) <= qty


@pytest.mark.parametrize(
    ("side", "mark", "price"),
    [
        (Side.BUY, "4500.00", "4510.00"),
        (Side.SELL, "4500.00", "4490.00"),
        (Side.SELL, "-37.75", "-47.75"),
        (Side.SELL, "10.25", "0.25"),
        (Side.SELL, "10.00", "0.00"),
        (Side.SELL, "9.75", "-0.25"),
        (Side.BUY, "-9.75", "0.25"),
    ],
)
def test_a_protected_price_is_a_collar_away_and_may_be_below_zero(side, mark, price):
    assert protected_price(side=side, mark=Decimal(mark), tick_size=Decimal("0.25")) == Decimal(price)


def test_a_collar_of_zero_is_the_mark_itself():
    price = protected_price(side=Side.BUY, mark=Decimal(5), tick_size=Decimal("0.25"), collar_ticks=0)
    assert price == 5


def test_a_mark_off_the_tick_gives_no_protected_price():
    with pytest.raises(ValueError, match="tick"):
        protected_price(side=Side.BUY, mark=Decimal("5.1"), tick_size=Decimal("0.25"))


def test_a_negative_collar_is_refused():
    with pytest.raises(ValueError, match="collar_ticks"):
        protected_price(side=Side.BUY, mark=Decimal(5), tick_size=Decimal(1), collar_ticks=-1)


def test_waits_double_up_to_a_bound():
    assert [retry_delay_seconds(attempt) for attempt in (1, 2, 3, 4, 5, 6, 10**9)] == [1, 2, 4, 8, 15, 15, 15]


@pytest.mark.parametrize("attempt", [0, -1])
def test_attempts_count_from_one(attempt):
    for of_attempt in (rung, retry_delay_seconds):
        with pytest.raises(ValueError, match="attempt"):
            of_attempt(attempt)
    with pytest.raises(ValueError, match="attempt"):
        client_order_id(run_id=1, leg=0, attempt=attempt)


def test_there_is_no_slice_of_nothing():
    with pytest.raises(ValueError, match="qty"):
        slice_qty(0, 3)


@given(run_id=st.integers(1, 10**10 - 1), leg=st.integers(0, 999), attempt=st.integers(1, 999))
def test_a_client_order_id_is_short_and_reads_back(run_id, leg, attempt):
    name = client_order_id(run_id=run_id, leg=leg, attempt=attempt)
    assert len(name) <= 20
    assert parse_client_order_id(name) == (run_id, leg, attempt)


@pytest.mark.parametrize("figures", [{"run_id": 0}, {"leg": -1}])
def test_a_client_order_id_is_not_made_of_what_cannot_be(figures):
    with pytest.raises(ValueError, match=next(iter(figures))):
        client_order_id(**{"run_id": 1, "leg": 0, "attempt": 1, **figures})


def test_a_client_order_id_is_never_cut_to_length():
    assert len(client_order_id(run_id=10**13, leg=0, attempt=1)) == 20
    with pytest.raises(ValueError, match="longer than 20"):
        client_order_id(run_id=10**14, leg=0, attempt=1)


@pytest.mark.parametrize(
    "text",
    [
        *("", "RL", "RL1-0", "RL0-0-1", "RL1-0-0", "RL01-0-1", "RL1-00-1", "rl1-0-1", "RL1-0-1 ", "RL1-0-1\n"),
        *("RL\u0661-0-1", "RL100000000000000-0-1"),
    ],
)
def test_a_name_that_is_not_ours_reads_as_none(text):
    assert parse_client_order_id(text) is None
