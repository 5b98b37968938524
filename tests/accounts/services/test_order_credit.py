"""The order gate's credit test: every rule on its line, worst-case margin, and what cannot be computed."""

from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.models import Mark, ProductMargin
from accounts.rules.credit import CreditRule
from accounts.rules.pnl import Side
from accounts.rules.pretrade import FailureReason
from tests import builders
from tests.accounts.gate import holding_at, submit
from tests.builders import NOW

pytestmark = pytest.mark.django_db
BUY, SELL = Side.BUY, Side.SELL
ES_MARGIN = Decimal(4180)
CENT = Decimal("0.01")


@pytest.fixture
def firm():
    return builders.company("ALPHA")


def limited(firm, limit, rule=CreditRule.PNL, parent=None, **credit):
    return builders.account(firm, daily_limit=str(limit), credit={"rule": rule} | credit, parent=parent)


def is_denied(result):
    assert result.failure_reason in {None, FailureReason.NotEnoughLiquidity}, result
    return result.failure_reason is not None


@pytest.mark.parametrize(("pnl", "expected"), [("-987.50", False), ("-1000", False), ("-1012.50", True)])
def test_by_pl_an_order_passes_while_nothing_is_overdrawn(firm, pnl, expected):
    account = limited(firm, 1000)
    holding_at(account, 1, pnl)
    assert is_denied(submit(account)) is expected
    assert is_denied(submit(account, SELL)) is False


@pytest.mark.parametrize(("spare", "expected"), [(-CENT, True), (Decimal(0), True), (CENT, False)])
def test_by_margin_an_order_needs_something_left(firm, spare, expected):
    account = limited(firm, 3 * ES_MARGIN + spare, CreditRule.MARGIN)
    holding_at(account, 1, "-9000")  # which this rule does not count
    assert is_denied(submit(account, BUY, 2)) is expected


@pytest.mark.parametrize(("spare", "expected"), [(-CENT, True), (Decimal(0), True), (CENT, False)])
def test_by_pl_and_margin_both_count(firm, spare, expected):
    account = limited(firm, 2 * ES_MARGIN + 100 + spare, CreditRule.PNL_AND_MARGIN)
    holding_at(account, 1, "-100")
    assert is_denied(submit(account)) is expected


@pytest.mark.parametrize(("side", "worst"), [(SELL, 5), (BUY, 4)])
@pytest.mark.parametrize("is_enough", [False, True])
def test_margin_is_that_of_the_worst_case_over_the_working_orders(firm, side, worst, is_enough):
    # +1 with 2 to buy and 5 to sell is +3 or -4 at worst: a sale makes it -5, a purchase leaves it at -4
    account = limited(firm, worst * ES_MARGIN + (CENT if is_enough else 0), CreditRule.MARGIN)
    builders.position(account, net=1)
    builders.working_order(account, side=BUY, qty=2)
    builders.working_order(account, side=SELL, qty=5)
    assert is_denied(submit(account, side)) is not is_enough


@pytest.mark.parametrize(("trade_out_allowed", "expected"), [(True, False), (False, True)])
def test_a_reducing_order_needs_no_margin_left_where_trade_out_is_allowed(firm, trade_out_allowed, expected):
    account = limited(firm, 100, CreditRule.PNL_AND_MARGIN, trade_out_allowed=trade_out_allowed)
    holding_at(account, 2, "-100")
    assert is_denied(submit(account, SELL, 1)) is expected
    assert is_denied(submit(account, SELL, 3)) is True  # larger than the position


def test_without_check_credit_nothing_is_asked(firm):
    account = limited(firm, 0, check_credit=False)
    holding_at(account, 1, "-50000")
    assert submit(account).failure_reason is None


@pytest.mark.parametrize(("applies", "expected"), [(False, False), (True, True)])
def test_a_block_order_is_asked_only_where_the_box_says_so(firm, applies, expected):
    account = limited(firm, 100, apply_to_block_cross=applies)
    holding_at(account, 1, "-200")
    assert is_denied(submit(account, is_block_cross=True)) is expected


def test_without_a_limit_no_new_risk_is_taken(firm):
    account = builders.account(firm, credit={"check_credit": True})
    builders.position(account, net=1)
    builders.mark()
    assert submit(account).failure_reason is FailureReason.MaxPosLimitMisconfigured
    assert submit(account, SELL).failure_reason is None


def test_a_limit_of_zero_is_zero_and_not_unlimited(firm):
    account = limited(firm, 0)
    assert submit(account).failure_reason is None  # by P/L, nothing lost of nothing
    holding_at(account, 1, "-12.50")
    assert is_denied(submit(account)) is True


def test_without_a_price_no_new_risk_is_taken_and_a_loss_is_not_taken_for_zero(firm):
    account = limited(firm, 1000)
    builders.position(account, net=1)
    assert submit(account).failure_reason is FailureReason.NoQuote
    assert submit(account, SELL).failure_reason is None


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(seconds=10) - timedelta(microseconds=1), None),
        (timedelta(seconds=10), None),
        (timedelta(seconds=10, microseconds=1), FailureReason.NoQuote),
    ],
)
def test_a_price_whose_source_was_silent_for_too_long_is_none(firm, settings, age, expected):
    settings.MARK_MAX_AGE_SECONDS = 10.0
    account = limited(firm, 1000)
    holding_at(account, 1, "0")
    Mark.objects.update(seen_at=NOW - age)
    assert submit(account).failure_reason is expected


def test_a_price_that_has_not_moved_for_long_is_good_while_its_source_is_heard(firm):
    account = limited(firm, 1000)
    holding_at(account, 1, "0")
    Mark.objects.update(priced_at=NOW - timedelta(hours=1))
    assert submit(account).failure_reason is None


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (CreditRule.PNL, None),
        (CreditRule.MARGIN, FailureReason.OtherExecutionRelated),
        (CreditRule.PNL_AND_MARGIN, FailureReason.OtherExecutionRelated),
    ],
)
def test_without_a_margin_the_rules_that_count_it_deny(firm, rule, expected):
    account = limited(firm, 100000, rule)
    builders.instrument()
    ProductMargin.objects.all().delete()
    assert submit(account).failure_reason is expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [(CreditRule.PNL, FailureReason.NoQuote), (CreditRule.MARGIN, FailureReason.OtherExecutionRelated)],
)
def test_without_a_rate_another_currencys_contract_is_denied(firm, rule, expected):
    account = limited(firm, 100000, rule)
    builders.connect(account, "EUREX")
    assert submit(account, symbol="FDAXZ6").failure_reason is expected
    builders.rate("EUR", "USD", "1.35")
    assert submit(account, symbol="FDAXZ6").failure_reason is None


@pytest.mark.parametrize(("spare", "expected"), [(Decimal(0), True), (CENT, False)])
def test_another_currencys_margin_is_converted(firm, spare, expected):
    account = limited(firm, Decimal(1000) * Decimal("1.35") + spare, CreditRule.MARGIN)
    builders.connect(account, "EUREX")
    builders.rate("EUR", "USD", "1.35")
    builders.margin("FDAX", initial="1000")
    assert is_denied(submit(account, symbol="FDAXZ6")) is expected


def test_a_spread_between_two_contracts_of_a_product_is_relieved(firm, monkeypatch):
    monkeypatch.setitem(builders.CONTRACTS, "ESH7", ("CME", "ES", "0.25", "12.50", "USD"))
    builders.margin("ES", initial="1000", maintenance="900", spread="300")
    account = limited(firm, Decimal("1000.01"), CreditRule.MARGIN)
    builders.position(account, "ESZ6", net=1)
    # Unfilled it is one outright, filled one spread; without relief it would be two outrights.
    assert is_denied(submit(account, SELL, symbol="ESH7")) is False
    assert is_denied(submit(account, SELL, symbol="ESH7")) is True


@pytest.mark.parametrize("who", ["sibling", "parent"])
def test_a_parents_limit_holds_for_the_sum_of_its_tree(firm, who):
    parent = limited(firm, 1000)
    child, sibling = limited(firm, 5000, parent=parent), builders.account(firm, parent=parent)
    holding_at(sibling if who == "sibling" else parent, 1, "-1012.50")
    result = submit(child)
    assert is_denied(result) is True
    assert f"({parent.name})" in result.failure_text


def test_an_order_that_reduces_below_and_opens_above_counts_as_opening_above(firm):
    parent = limited(firm, 100)
    child, sibling = builders.account(firm, parent=parent), builders.account(firm, parent=parent)
    holding_at(sibling, -3, "-300")
    builders.position(child, net=1)
    result = submit(child, SELL)
    assert is_denied(result) is True
    assert f"({parent.name})" in result.failure_text


def test_a_guests_sub_account_is_held_against_the_owners_limit_on_the_shared_account(firm):
    shared, guest = limited(firm, 100), builders.company("BETA")
    builders.share(shared, guest)
    below = builders.account(guest, parent=shared)
    holding_at(below, 1, "-112.50")
    result = submit(below)
    assert is_denied(result) is True
    assert f"({shared.name})" in result.failure_text
