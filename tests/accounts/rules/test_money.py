"""Exact money and prices."""

from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.rules.money import (
    MICROS_PER_UNIT,
    NANOS_PER_UNIT,
    RateMissing,
    convert,
    floor_to_tick,
    from_micros,
    from_nanos,
    from_ticks,
    money_text,
    price_text,
    round_money,
    round_price,
    to_micros,
    to_nanos,
    to_ticks,
    value_to_money,
)

STORED = st.integers(-(2**63), 2**63 - 1)
TICK_SIZES = st.sampled_from([Decimal(t) for t in ("0.25", "0.1", "1", "5", "0.015625", "0.0000005", "0.3")])
PRICES = st.decimals(-100_000, 100_000, places=9)


@given(STORED)
def test_micros_survive_the_round_trip(value: int) -> None:
    assert to_micros(from_micros(value)) == value


@given(STORED)
def test_nanos_survive_the_round_trip(value: int) -> None:
    assert to_nanos(from_nanos(value)) == value


def test_one_unit_is_a_million_micros_and_a_billion_nanos() -> None:
    assert to_micros(Decimal(1)) == MICROS_PER_UNIT
    assert to_nanos(Decimal(1)) == NANOS_PER_UNIT


@pytest.mark.parametrize("value", [1.5, True, 1, "1"])
@pytest.mark.parametrize("store", [to_micros, to_nanos])
def test_only_decimals_are_stored(store: Callable[[Any], int], value: Any) -> None:
    with pytest.raises(TypeError, match="must be a Decimal"):
        store(value)


@pytest.mark.parametrize("store", [to_micros, to_nanos])
@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_only_finite_figures_are_stored(store: Callable[[Any], int], text: str) -> None:
    with pytest.raises(ValueError, match="finite"):
        store(Decimal(text))


@pytest.mark.parametrize(
    ("store", "fits", "too_fine"),
    [(to_micros, "0.000001", "0.0000001"), (to_nanos, "0.000000001", "0.0000000001"), (to_nanos, "0", "1E-1000000")],
)
def test_a_digit_that_would_be_lost_is_refused(store: Callable[[Any], int], fits: str, too_fine: str) -> None:
    assert store(Decimal(fits)) in {0, 1}
    with pytest.raises(ValueError, match="decimals"):
        store(Decimal(too_fine))


def test_zeros_after_the_last_place_are_no_digits() -> None:
    assert to_micros(Decimal("1.500000000000")) == 1_500_000


@pytest.mark.parametrize(
    ("on", "over"),
    [
        ("9223372036854.775807", "9223372036854.775808"),
        ("-9223372036854.775808", "-9223372036854.775809"),
        ("0", "1E+999999"),
    ],
)
def test_money_beyond_64_bits_is_refused(on: str, over: str) -> None:
    assert from_micros(to_micros(Decimal(on))) == Decimal(on)
    with pytest.raises(ValueError, match="64 bits"):
        to_micros(Decimal(over))


@pytest.mark.parametrize("value", [True, 1.0, "1", Decimal(1)])
@pytest.mark.parametrize("load", [from_micros, from_nanos])
def test_only_integers_are_loaded(load: Callable[[Any], Decimal], value: Any) -> None:
    with pytest.raises(TypeError, match="must be an integer"):
        load(value)


def test_a_careless_ambient_context_changes_nothing() -> None:
    with localcontext() as context:
        context.prec = 3
        assert to_micros(Decimal("1234567.654321")) == 1_234_567_654_321
        assert from_micros(1_234_567_654_321) == Decimal("1234567.654321")
        assert from_ticks(123_457, Decimal("0.25")) == Decimal("30864.25")
        assert money_text(Decimal("-1234567.654321")) == "-1234567.654321"


def test_rounding_is_half_even_at_the_stored_place() -> None:
    assert round_money(Decimal("2.0000005")) == Decimal(2)
    assert round_money(Decimal("2.0000015")) == Decimal("2.000002")
    assert round_price(Decimal("2.0000000005")) == Decimal(2)
    assert round_price(Decimal("2.0000000015")) == Decimal("2.000000002")


@given(st.integers(-(10**9), 10**9), TICK_SIZES)
def test_ticks_survive_the_round_trip(ticks: int, tick_size: Decimal) -> None:
    assert to_ticks(from_ticks(ticks, tick_size), tick_size) == ticks


@pytest.mark.parametrize("text", ["1671.49", "1671.51", "-0.01"])
def test_a_price_off_the_tick_is_refused(text: str) -> None:
    assert to_ticks(Decimal("1671.50"), Decimal("0.25")) == 6686
    with pytest.raises(ValueError, match="not a multiple of the tick size"):
        to_ticks(Decimal(text), Decimal("0.25"))


@pytest.mark.parametrize("tick_size", ["0", "-0.25"])
def test_a_tick_size_is_above_zero(tick_size: str) -> None:
    for use in (to_ticks, floor_to_tick, price_text):
        with pytest.raises(ValueError, match="tick_size must be above zero"):
            use(Decimal(1), Decimal(tick_size))
    with pytest.raises(ValueError, match="tick_size must be above zero"):
        from_ticks(1, Decimal(tick_size))


@pytest.mark.parametrize(
    ("price", "floor"),
    [("0.24", "0"), ("0.25", "0.25"), ("0.26", "0.25"), ("-0.24", "-0.25"), ("-0.25", "-0.25"), ("-0.26", "-0.50")],
)
def test_a_price_is_floored_towards_minus_infinity(price: str, floor: str) -> None:
    assert floor_to_tick(Decimal(price), Decimal("0.25")) == Decimal(floor)


@given(PRICES, TICK_SIZES)
def test_the_floor_is_on_the_tick_and_less_than_one_tick_below(price: Decimal, tick_size: Decimal) -> None:
    floor = floor_to_tick(price, tick_size)
    to_ticks(floor, tick_size)
    assert floor <= price < floor + tick_size


@given(st.integers(-(10**9), 10**9), TICK_SIZES)
def test_a_value_on_the_tick_is_worth_whole_tick_values(ticks: int, tick_size: Decimal) -> None:
    money = value_to_money(from_ticks(ticks, tick_size), tick_size=tick_size, tick_value=Decimal("12.50"))
    assert money == ticks * Decimal("12.50")


def test_a_quotient_without_end_is_rounded_at_18_decimals() -> None:
    third = value_to_money(Decimal(1), tick_size=Decimal("0.3"), tick_value=Decimal("0.1"))
    assert third == Decimal("0.333333333333333333")


@pytest.mark.parametrize(("tick_size", "tick_value"), [("0", "1"), ("1", "0"), ("-1", "1"), ("1", "-1")])
def test_a_contract_without_a_value_is_refused(tick_size: str, tick_value: str) -> None:
    with pytest.raises(ValueError, match="must be above zero"):
        value_to_money(Decimal(1), tick_size=Decimal(tick_size), tick_value=Decimal(tick_value))


def test_the_same_currency_needs_no_rate() -> None:
    assert convert(Decimal("-12.34"), source="USD", target="USD", rates={}) == Decimal("-12.34")


def test_the_direct_rate_goes_before_the_inverse() -> None:
    rates = {("EUR", "USD"): Decimal("1.35"), ("USD", "EUR"): Decimal("0.5")}
    assert convert(Decimal(100), source="EUR", target="USD", rates=rates) == Decimal(135)


def test_the_inverse_rate_serves_when_there_is_no_direct_one() -> None:
    rates = {("USD", "EUR"): Decimal("0.8")}
    assert convert(Decimal(-100), source="EUR", target="USD", rates=rates) == Decimal(-125)


def test_the_inverse_of_three_is_rounded_at_18_decimals() -> None:
    rates = {("USD", "EUR"): Decimal(3)}
    assert convert(Decimal(1), source="EUR", target="USD", rates=rates) == Decimal("0.333333333333333333")


def test_a_rate_is_never_made_through_a_third_currency() -> None:
    rates = {("EUR", "GBP"): Decimal(1), ("GBP", "USD"): Decimal(1)}
    with pytest.raises(RateMissing, match="no rate from EUR to USD") as caught:
        convert(Decimal(1), source="EUR", target="USD", rates=rates)
    assert (caught.value.source, caught.value.target) == ("EUR", "USD")


@pytest.mark.parametrize("key", [("EUR", "USD"), ("USD", "EUR")])
@pytest.mark.parametrize("rate", ["0", "-1", "NaN"])
def test_a_rate_is_above_zero(key: tuple[str, str], rate: str) -> None:
    with pytest.raises(ValueError, match="rate must be"):
        convert(Decimal(1), source="EUR", target="USD", rates={key: Decimal(rate)})


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("-8012.5", "-8012.50"),
        ("0", "0.00"),
        ("-0", "0.00"),
        ("1.234567", "1.234567"),
        ("1E+3", "1000.00"),
        ("-0.000001", "-0.000001"),
        ("150.000000", "150.00"),
    ],
)
def test_money_is_written_plainly(amount: str, text: str) -> None:
    assert money_text(Decimal(amount)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12))
def test_written_money_loses_no_digit(amount: Decimal) -> None:
    assert Decimal(money_text(amount)) == amount


@pytest.mark.parametrize(
    ("price", "tick_size", "text"),
    [
        ("1671.5", "0.25", "1671.50"),
        ("1306.4", "0.1", "1306.4"),
        ("1306.40", "0.10", "1306.4"),
        ("17000", "1", "17000"),
        ("17000.00", "1", "17000"),
        ("1.7E+4", "5", "17000"),
        ("1671.125", "0.25", "1671.125"),
        ("0.0098765", "0.0000005", "0.0098765"),
        ("-37.63", "0.01", "-37.63"),
        ("1671.666666667", "0.25", "1671.666666667"),
    ],
)
def test_a_price_is_written_with_the_decimals_of_its_tick(price: str, tick_size: str, text: str) -> None:
    assert price_text(Decimal(price), Decimal(tick_size)) == text
