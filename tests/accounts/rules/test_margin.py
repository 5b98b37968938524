"""Worst-case margin with relief for spreads."""

from decimal import Decimal
from itertools import product as combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.rules.margin import (
    ContractExposure,
    MarginMissing,
    ProductMarginRate,
    product_margin,
    total_margin,
)

OUTRIGHT = Decimal(1000)
SPREAD = Decimal(500)
CASE_23 = [
    ContractExposure("MAR", 1),
    ContractExposure("JUN", -2),
    ContractExposure("SEP", 3),
    ContractExposure("DEC", -4),
]

RATES = st.integers(0, 1000).flatmap(
    lambda outright: st.tuples(st.just(Decimal(outright)), st.none() | st.integers(0, 2 * outright).map(Decimal))
)


def books(most_contracts: int, most: int) -> st.SearchStrategy[list[ContractExposure]]:
    quantities = st.tuples(st.integers(-most, most), st.integers(0, most), st.integers(0, most))
    return st.lists(quantities, max_size=most_contracts).map(
        lambda rows: [ContractExposure(f"C{i}", *row) for i, row in enumerate(rows)]
    )


def margin_of(positions: tuple[int, ...], outright: Decimal, spread: Decimal | None) -> Decimal:
    longs = sum(p for p in positions if p > 0)
    shorts = -sum(p for p in positions if p < 0)
    if spread is None:
        return (longs + shorts) * outright
    return abs(longs - shorts) * outright + min(longs, shorts) * spread


def worst_by_trying_everything(book: list[ContractExposure], outright: Decimal, spread: Decimal | None) -> Decimal:
    reachable = [range(e.shortest, e.longest + 1) for e in book]
    return max(margin_of(positions, outright, spread) for positions in combinations(*reachable))


def test_case_23_two_outrights_and_four_spreads() -> None:
    assert product_margin(CASE_23, outright=OUTRIGHT, spread=SPREAD) == 4000


def test_without_relief_each_leg_pays_the_outright_margin() -> None:
    assert product_margin(CASE_23, outright=OUTRIGHT, spread=None) == 10_000


def test_one_long_and_one_short_cost_one_spread() -> None:
    book = [ContractExposure("SEP", 1), ContractExposure("DEC", -1)]
    assert product_margin(book, outright=OUTRIGHT, spread=SPREAD) == 500


@pytest.mark.parametrize(
    ("net", "buys", "sells", "contracts"),
    [(5, 4, 0, 9), (5, 0, 9, 5), (5, 0, 10, 5), (5, 0, 11, 6), (0, 3, 3, 3), (-2, 2, 0, 2), (-2, 5, 1, 3)],
)
def test_the_worse_side_of_the_working_orders_counts(net: int, buys: int, sells: int, contracts: int) -> None:
    book = [ContractExposure("SEP", net, buys, sells)]
    assert product_margin(book, outright=OUTRIGHT, spread=SPREAD) == contracts * OUTRIGHT


def test_a_working_order_that_would_make_a_spread_gives_no_relief_before_it_fills() -> None:
    book = [ContractExposure("SEP", 1), ContractExposure("DEC", 0, working_sells=1)]
    assert product_margin(book, outright=OUTRIGHT, spread=SPREAD) == 1000


def test_an_empty_book_costs_nothing() -> None:
    assert product_margin([], outright=OUTRIGHT, spread=SPREAD) == 0


@settings(max_examples=150)
@given(books(3, 4), RATES)
def test_it_is_the_exact_worst_case(book: list[ContractExposure], rates: tuple[Decimal, Decimal | None]) -> None:
    outright, spread = rates
    margin = product_margin(book, outright=outright, spread=spread)
    assert margin == worst_by_trying_everything(book, outright, spread)


@given(books(40, 1000), RATES, st.data())
def test_no_reachable_book_costs_more(
    book: list[ContractExposure], rates: tuple[Decimal, Decimal | None], data: st.DataObject
) -> None:
    outright, spread = rates
    positions = tuple(data.draw(st.integers(e.shortest, e.longest)) for e in book)
    assert product_margin(book, outright=outright, spread=spread) >= margin_of(positions, outright, spread)


@pytest.mark.parametrize(("pct", "margin"), [("0", "0"), ("50", "2000"), ("100", "4000"), ("125.5", "5020")])
def test_the_applied_percentage_scales_the_margin(pct: str, margin: str) -> None:
    scaled = product_margin(CASE_23, outright=OUTRIGHT, spread=SPREAD, applied_margin_pct=Decimal(pct))
    assert scaled == Decimal(margin)


@pytest.mark.parametrize(
    ("outright", "spread", "pct", "name"),
    [("-1", "0", "100", "outright"), ("1", "-1", "100", "spread"), ("1", "1", "-1", "applied_margin_pct")],
)
def test_negative_rates_are_refused_by_name(outright: str, spread: str, pct: str, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must not be negative"):
        product_margin([], outright=Decimal(outright), spread=Decimal(spread), applied_margin_pct=Decimal(pct))


def test_a_spread_may_cost_two_outrights_and_no_more() -> None:
    book = [ContractExposure("SEP", 1), ContractExposure("DEC", -1)]
    for spread in ("1999.99", "2000"):
        assert product_margin(book, outright=OUTRIGHT, spread=Decimal(spread)) == Decimal(spread)
    with pytest.raises(ValueError, match="twice the outright"):
        product_margin(book, outright=OUTRIGHT, spread=Decimal("2000.01"))


@pytest.mark.parametrize("exposure", [ContractExposure("SEP", 1, -1, 0), ContractExposure("SEP", 1, 0, -1)])
def test_a_negative_working_quantity_is_refused(exposure: ContractExposure) -> None:
    with pytest.raises(ValueError, match="working quantity of SEP"):
        product_margin([exposure], outright=OUTRIGHT, spread=None)


def test_a_contract_that_comes_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="comes twice"):
        product_margin([ContractExposure("SEP", 1), ContractExposure("SEP", -1)], outright=OUTRIGHT, spread=None)


def test_products_add_up_at_their_initial_margin() -> None:
    rates = {
        "ES": ProductMarginRate(Decimal(4180), Decimal(3800), Decimal(100)),
        "GC": ProductMarginRate(OUTRIGHT, Decimal(900), SPREAD),
    }
    exposures = {"ES": [ContractExposure("ESZ3", -2)], "GC": CASE_23}
    assert total_margin(exposures, rates) == 8360 + 4000


@pytest.mark.parametrize(
    "exposure", [ContractExposure("SEP", -1), ContractExposure("SEP", 0, 1, 0), ContractExposure("SEP", 0, 0, 1)]
)
def test_an_exposed_product_without_a_rate_is_named(exposure: ContractExposure) -> None:
    with pytest.raises(MarginMissing, match="product CL") as caught:
        total_margin({"CL": [exposure]}, {})
    assert caught.value.product == "CL"


def test_a_product_without_exposure_needs_no_rate() -> None:
    assert total_margin({"CL": [ContractExposure("SEP", 0)], "NG": []}, {}) == 0
