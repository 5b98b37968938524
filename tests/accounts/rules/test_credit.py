"""Credit limits and the credit loss threshold."""

from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.rules.credit import (
    CreditLossAction,
    CreditRule,
    available_credit,
    bal_to_liq,
    balance,
    balance_used_pct,
    credit_allows,
    credit_loss_threshold,
    curr_liq_pct,
    is_credit_loss_breached,
    net_liquidation,
    session_base,
    validate_credit_loss_pct,
)
from accounts.rules.margin import ContractExposure, product_margin

LIMIT = Decimal(10_000)
EIGHTY = Decimal(80)
ZERO = Decimal(0)
CENT = Decimal("0.01")

MONEY = st.decimals(-10_000_000, 10_000_000, places=6)
LIMITS = st.decimals(0, 10_000_000, places=6)
BASES = st.decimals("0.000001", 10_000_000, places=6)
PERCENTAGES = st.integers(1, 10_000).map(lambda hundredths: Decimal(hundredths) / 100)
RULES = st.sampled_from(CreditRule)


@pytest.mark.parametrize(
    ("pnl", "room", "breached"),
    [("-7999", "1", False), ("-8000", "0", True), ("-8001", "-1", True), ("5000", "13000", False)],
)
def test_cases_1_3_4_the_room_left_around_the_threshold(pnl: str, room: str, breached: bool) -> None:
    assert bal_to_liq(base=LIMIT, credit_loss_pct=EIGHTY, pnl=Decimal(pnl)) == Decimal(room)
    assert is_credit_loss_breached(base=LIMIT, credit_loss_pct=EIGHTY, pnl=Decimal(pnl)) is breached


@pytest.mark.parametrize(("pnl", "breached"), [("-7999.999999", False), ("-8000", True), ("-8000.000001", True)])
def test_the_line_itself_is_a_breach(pnl: str, breached: bool) -> None:
    assert is_credit_loss_breached(base=LIMIT, credit_loss_pct=EIGHTY, pnl=Decimal(pnl)) is breached


def test_case_4_a_profit_is_no_loss() -> None:
    assert curr_liq_pct(base=LIMIT, pnl=Decimal(5000)) == 0


def test_case_5_the_percentage_is_what_is_lost_not_what_is_left() -> None:
    assert is_credit_loss_breached(base=LIMIT, credit_loss_pct=Decimal(20), pnl=Decimal(-2500))
    assert curr_liq_pct(base=LIMIT, pnl=Decimal(-2500)) == 25


def test_case_6_realized_and_open_losses_both_count() -> None:
    realized, unrealized = Decimal(-3000), Decimal(-5500)
    assert is_credit_loss_breached(base=LIMIT, credit_loss_pct=EIGHTY, pnl=realized + unrealized)
    assert not is_credit_loss_breached(base=LIMIT, credit_loss_pct=EIGHTY, pnl=realized)
    assert not is_credit_loss_breached(base=LIMIT, credit_loss_pct=EIGHTY, pnl=unrealized)


def test_case_8_margin_ties_up_credit_but_is_no_loss() -> None:
    margin = Decimal(9900)
    left = available_credit(daily_limit=LIMIT, pnl=ZERO, margin=margin, rule=CreditRule.PNL_AND_MARGIN)
    assert left == 100
    base = session_base(daily_limit=LIMIT)
    assert not is_credit_loss_breached(base=base, credit_loss_pct=EIGHTY, pnl=ZERO)
    assert net_liquidation(starting_balance=base, pnl=ZERO) == LIMIT


@pytest.mark.parametrize(("pnl", "breached"), [("-3999.99", False), ("-4000", True), ("-4000.01", True)])
def test_case_11_a_carried_loss_lowers_the_base(pnl: str, breached: bool) -> None:
    base = session_base(daily_limit=LIMIT, carry=Decimal(-2000))
    assert base == 8000
    assert is_credit_loss_breached(base=base, credit_loss_pct=Decimal(50), pnl=Decimal(pnl)) is breached


def test_case_12_without_a_realized_carry_the_base_is_the_limit() -> None:
    assert session_base(daily_limit=LIMIT) == session_base(daily_limit=LIMIT, carry=ZERO) == LIMIT


@pytest.mark.parametrize(("pnl", "breached"), [("0.01", False), ("0", True), ("-0.01", True)])
def test_case_13_a_limit_of_zero_leaves_no_room(pnl: str, breached: bool) -> None:
    base = session_base(daily_limit=ZERO)
    assert credit_loss_threshold(base=base, credit_loss_pct=EIGHTY) == 0
    assert is_credit_loss_breached(base=base, credit_loss_pct=EIGHTY, pnl=Decimal(pnl)) is breached
    assert curr_liq_pct(base=base, pnl=Decimal(pnl)) is None


def test_a_carried_loss_beyond_the_limit_is_a_breach_until_it_is_earned_back() -> None:
    base = session_base(daily_limit=Decimal(1000), carry=Decimal(-3000))
    assert credit_loss_threshold(base=base, credit_loss_pct=Decimal(50)) == -1000
    assert is_credit_loss_breached(base=base, credit_loss_pct=Decimal(50), pnl=Decimal(1000))
    assert not is_credit_loss_breached(base=base, credit_loss_pct=Decimal(50), pnl=Decimal(1000) + CENT)
    assert curr_liq_pct(base=base, pnl=Decimal(-1)) is None


@pytest.mark.parametrize(
    ("rule", "available", "allowed"),
    [
        (CreditRule.PNL, "-1", False),
        (CreditRule.PNL, "-0.01", False),
        (CreditRule.PNL, "0", True),
        (CreditRule.PNL, "0.01", True),
        (CreditRule.MARGIN, "-0.01", False),
        (CreditRule.MARGIN, "0", False),
        (CreditRule.MARGIN, "0.01", True),
        (CreditRule.PNL_AND_MARGIN, "-0.01", False),
        (CreditRule.PNL_AND_MARGIN, "0", False),
        (CreditRule.PNL_AND_MARGIN, "0.01", True),
    ],
)
def test_cases_16_and_18_zero_passes_by_pnl_alone(rule: CreditRule, available: str, allowed: bool) -> None:
    assert credit_allows(rule=rule, available_after=Decimal(available)) is allowed


def test_case_23_spread_relief_leaves_1775() -> None:
    book = [ContractExposure(s, n) for s, n in (("MAR", 1), ("JUN", -2), ("SEP", 3), ("DEC", -4))]
    margin = product_margin(book, outright=Decimal(1000), spread=Decimal(500))
    left = available_credit(daily_limit=Decimal(6000), pnl=Decimal(-225), margin=margin, rule=CreditRule.PNL_AND_MARGIN)
    assert left == 1775


@pytest.mark.parametrize(("rule", "left"), [("PNL", "7500"), ("MARGIN", "6500"), ("PNL_AND_MARGIN", "4000")])
def test_the_rule_says_what_counts_even_as_plain_text(rule: Any, left: str) -> None:
    figures = {"daily_limit": LIMIT, "pnl": Decimal(-2500), "margin": Decimal(3500)}
    for spelled in (rule, CreditRule(rule)):
        assert available_credit(**figures, rule=spelled) == balance(**figures, rule=spelled) == Decimal(left)


def test_available_credit_is_never_clamped_to_zero() -> None:
    assert available_credit(daily_limit=ZERO, pnl=Decimal(-5), margin=ZERO, rule=CreditRule.PNL) == -5


@pytest.mark.parametrize("name", ["daily_limit", "margin"])
def test_a_negative_limit_or_margin_is_refused(name: str) -> None:
    figures = {"daily_limit": LIMIT, "pnl": ZERO, "margin": ZERO, name: -CENT}
    with pytest.raises(ValueError, match=f"{name} must not be negative"):
        available_credit(**figures, rule=CreditRule.PNL)


@pytest.mark.parametrize("name", ["daily_limit", "pnl", "margin"])
@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_a_figure_that_is_not_finite_is_refused(name: str, text: str) -> None:
    figures = {"daily_limit": LIMIT, "pnl": ZERO, "margin": ZERO, name: Decimal(text)}
    with pytest.raises(ValueError, match=f"{name} must be finite"):
        available_credit(**figures, rule=CreditRule.PNL)


@pytest.mark.parametrize(
    "quantity",
    [
        lambda nan: session_base(daily_limit=nan),
        lambda nan: session_base(daily_limit=LIMIT, carry=nan),
        lambda nan: credit_loss_threshold(base=nan, credit_loss_pct=EIGHTY),
        lambda nan: credit_loss_threshold(base=LIMIT, credit_loss_pct=nan),
        lambda nan: bal_to_liq(base=LIMIT, credit_loss_pct=EIGHTY, pnl=nan),
        lambda nan: curr_liq_pct(base=nan, pnl=ZERO),
        lambda nan: curr_liq_pct(base=LIMIT, pnl=nan),
        lambda nan: net_liquidation(starting_balance=nan, pnl=ZERO),
        lambda nan: net_liquidation(starting_balance=LIMIT, pnl=nan),
        lambda nan: balance_used_pct(daily_limit=LIMIT, balance=nan),
        lambda nan: credit_allows(rule=CreditRule.PNL, available_after=nan),
    ],
)
def test_no_quantity_is_made_of_nan(quantity: Callable[[Decimal], object]) -> None:
    with pytest.raises(ValueError, match="must be finite"):
        quantity(Decimal("NaN"))


def test_a_negative_limit_makes_no_base_and_no_share() -> None:
    with pytest.raises(ValueError, match="daily_limit must not be negative"):
        session_base(daily_limit=-CENT)
    with pytest.raises(ValueError, match="daily_limit must not be negative"):
        balance_used_pct(daily_limit=-CENT, balance=ZERO)


@pytest.mark.parametrize("text", ["0.01", "99.99", "100", "80.100"])
def test_a_percentage_inside_the_range_is_valid(text: str) -> None:
    validate_credit_loss_pct(Decimal(text))


@pytest.mark.parametrize("text", ["0", "-0.01", "100.01", "0.001", "80.123", "NaN", "Infinity"])
def test_a_percentage_outside_the_range_or_too_fine_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="credit_loss_pct"):
        validate_credit_loss_pct(Decimal(text))


@pytest.mark.parametrize(
    ("left", "used"), [("10000", "0"), ("7500", "25"), ("0", "100"), ("-1", "100.01"), ("12000", "-20")]
)
def test_the_balance_used_is_a_share_of_the_limit(left: str, used: str) -> None:
    assert balance_used_pct(daily_limit=LIMIT, balance=Decimal(left)) == Decimal(used)


def test_nothing_can_be_used_of_a_limit_of_zero() -> None:
    assert balance_used_pct(daily_limit=ZERO, balance=ZERO) is None


def test_the_stored_words_stay_as_they_are() -> None:
    assert [str(rule) for rule in CreditRule] == ["PNL", "MARGIN", "PNL_AND_MARGIN"]
    assert [str(action) for action in CreditLossAction] == ["NONE", "DISABLE", "DISABLE_AND_CANCEL", "AUTO_LIQUIDATE"]


def test_a_careless_ambient_context_moves_no_line() -> None:
    with localcontext() as context:
        context.prec = 2
        assert not is_credit_loss_breached(base=LIMIT, credit_loss_pct=EIGHTY, pnl=Decimal("-7999.99"))
        assert curr_liq_pct(base=LIMIT, pnl=Decimal("-7999.99")) == Decimal("79.9999")


@given(LIMITS, MONEY, MONEY, LIMITS, RULES)
def test_more_profit_never_means_less_credit(
    limit: Decimal, one: Decimal, other: Decimal, margin: Decimal, rule: CreditRule
) -> None:
    worse, better = sorted((one, other))
    assert available_credit(daily_limit=limit, pnl=worse, margin=margin, rule=rule) <= available_credit(
        daily_limit=limit, pnl=better, margin=margin, rule=rule
    )


@given(MONEY, PERCENTAGES, MONEY, MONEY)
def test_more_profit_never_makes_a_breach(base: Decimal, pct: Decimal, one: Decimal, other: Decimal) -> None:
    worse, better = sorted((one, other))
    assert bal_to_liq(base=base, credit_loss_pct=pct, pnl=worse) <= bal_to_liq(
        base=base, credit_loss_pct=pct, pnl=better
    )


@given(BASES, PERCENTAGES, MONEY)
def test_the_share_lost_reaches_the_percentage_exactly_at_the_breach(base: Decimal, pct: Decimal, pnl: Decimal) -> None:
    lost = curr_liq_pct(base=base, pnl=pnl)
    assert lost is not None
    assert (lost >= pct) is is_credit_loss_breached(base=base, credit_loss_pct=pct, pnl=pnl)


@given(BASES, PERCENTAGES, st.sampled_from([-1, 0, 1]))
def test_the_agreement_holds_on_the_line_to_the_last_digit(base: Decimal, pct: Decimal, step: int) -> None:
    pnl = step * Decimal("1E-20") - credit_loss_threshold(base=base, credit_loss_pct=pct)
    lost = curr_liq_pct(base=base, pnl=pnl)
    assert lost is not None
    assert (lost >= pct) is is_credit_loss_breached(base=base, credit_loss_pct=pct, pnl=pnl)
