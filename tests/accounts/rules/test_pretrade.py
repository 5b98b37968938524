"""The order gate: locks before limits, every level up the tree, reducing by projected position."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.rules.credit import CreditRule
from accounts.rules.locks import TradingMode
from accounts.rules.pnl import Side
from accounts.rules.pretrade import (
    DenialCode,
    FailureReason,
    OrderRequest,
    PretradeLevel,
    Projection,
    check_order,
    projection,
    route_denial,
)

WIRE_REASONS = """AccountClosed, AdvancedTrailingStopUnsupported, AnotherCommandPending, BackMonthProhibited,
ExecutionProviderNotConfigured, ExecutionProviderUnavailable, InvalidContract, InvalidPrice,
KeyInformationDocumentRequired, LiquidationOnly, LiquidationOnlyBeforeExpiration, MaxOrderQtyIsNotSpecified,
MaxOrderQtyLimitReached, MaxPosLimitMisconfigured, MaxPosLimitReached, MaxTotalPosLimitReached,
MultipleAccountPlanRequired, NoQuote, NotEnoughLiquidity, OtherExecutionRelated, ParentRejected, RiskCheckTimeout,
SSFRiskDisclosureAcknowledgmentRequired, SessionClosed, Success, TooLate, TradingLocked,
TrailingStopNonOrderQtyModify, Unauthorized, UnknownReason, Unsupported""".replace("\n", " ").split(", ")

FREE = PretradeLevel(
    name="CHILD",
    mode=TradingMode.NORMAL,
    lock_note="",
    is_closed=False,
    check_credit=True,
    apply_to_block_cross=False,
    daily_limit=Decimal(10_000),
    rule=CreditRule.PNL,
    pnl=Decimal(0),
    margin_before=Decimal(0),
    margin_after=Decimal(0),
    trade_out_allowed=False,
    net=0,
    working_buys=0,
    working_sells=0,
    max_order_qty=None,
    max_long=None,
    max_short=None,
)
PARENT = replace(FREE, name="PARENT")
WITH_MARGIN = [CreditRule.MARGIN, CreditRule.PNL_AND_MARGIN]


def level(base=FREE, **changes):
    figures = {name: Decimal(changes[name]) for name in MONEY if isinstance(changes.get(name), int | str)}
    return replace(base, **{**changes, **figures})


MONEY = ("daily_limit", "pnl", "margin_before", "margin_after")


def buy(qty, **options):
    return OrderRequest("ESH6", Side.BUY, qty, **options)


def sell(qty, **options):
    return OrderRequest("ESH6", Side.SELL, qty, **options)


def code(order, *levels):
    """The code of the denial; None when the order may go."""
    denial = check_order(order, levels)
    return denial and denial.code


def test_the_failure_reasons_are_those_of_the_wire_name_and_value():
    assert [reason.value for reason in FailureReason] == WIRE_REASONS
    assert all(reason.name == reason.value for reason in FailureReason)


@pytest.mark.parametrize(
    ("net", "working", "qty", "expected"),
    [
        (5, 0, 4, Projection.REDUCES),
        (5, 0, 5, Projection.REDUCES),
        (5, 0, 6, Projection.OPENS),
        (5, 3, 1, Projection.REDUCES),
        (5, 3, 2, Projection.REDUCES),
        (5, 3, 3, Projection.OPENS),
        (0, 0, 1, Projection.OPENS),
        (-5, 0, 1, Projection.OPENS),
    ],
)
def test_an_order_reduces_when_all_orders_on_its_side_cannot_pass_zero(net, working, qty, expected):
    long = level(net=net, working_sells=working, working_buys=99)
    short = level(net=-net, working_buys=working, working_sells=99)
    assert projection(long, sell(qty)) is expected
    assert projection(short, buy(qty)) is expected


@given(st.integers(-50, 50), st.integers(0, 50), st.integers(0, 50), st.sampled_from(Side), st.integers(1, 50))
def test_a_reducing_order_ends_between_the_position_and_flat_whatever_else_on_its_side_fills(
    net, buys, sells, side, qty
):
    one = level(net=net, working_buys=buys, working_sells=sells)
    if projection(one, OrderRequest("ESH6", side, qty)) is Projection.OPENS:
        return
    for also_filled in range((buys if side is Side.BUY else sells) + 1):
        after = net + side.sign * (qty + also_filled)
        assert abs(after) < abs(net)
        assert after * net >= 0


@pytest.mark.parametrize("qty", [0, -1])
def test_an_order_for_nothing_is_refused(qty):
    with pytest.raises(ValueError, match="above zero"):
        buy(qty)


@pytest.mark.parametrize("field", ["working_buys", "working_sells", "max_order_qty", "max_long", "max_short"])
def test_a_negative_quantity_on_a_level_is_refused(field):
    with pytest.raises(ValueError, match="must not be negative"):
        level(**{field: -1})


def test_an_order_without_an_account_is_refused():
    with pytest.raises(ValueError, match="own account"):
        check_order(buy(1), [])


def test_an_order_within_every_limit_may_go():
    assert check_order(buy(1), [FREE, PARENT]) is None


def test_c01_an_account_without_a_limit_takes_no_new_risk_but_may_reduce():
    for rule in CreditRule:
        assert code(buy(1), level(daily_limit=None, rule=rule)) is DenialCode.LIMIT_MISSING
        assert code(sell(1), level(daily_limit=None, rule=rule, net=1)) is None


@pytest.mark.parametrize(("pnl", "expected"), [("-10000.01", False), ("-10000", True), ("-9999.99", True)])
def test_case_16_apply_pnl_blocks_an_opening_order_below_zero_and_not_at_zero(pnl, expected):
    assert (code(buy(1), level(pnl=pnl)) is None) is expected


def test_case_17_apply_pnl_lets_a_closing_order_through_without_credit():
    assert code(sell(1), level(pnl=-10_001, net=1)) is None
    assert code(sell(1), level(pnl=None, net=1)) is None
    assert code(buy(1), level(pnl=-10_001, net=1)) is DenialCode.CREDIT_EXHAUSTED


@pytest.mark.parametrize("rule", WITH_MARGIN)
@pytest.mark.parametrize(("margin", "expected"), [("9999.99", True), ("10000", False), ("10000.01", False)])
def test_case_18_with_margin_credit_of_exactly_zero_is_refused(rule, margin, expected):
    assert (code(buy(1), level(rule=rule, margin_after=margin)) is None) is expected


@pytest.mark.parametrize("rule", WITH_MARGIN)
def test_case_19_a_reducing_order_without_credit_needs_trade_out(rule):
    tight = level(rule=rule, margin_after=10_000, net=1)
    assert code(sell(1), replace(tight, trade_out_allowed=True)) is None
    assert code(sell(1), tight) is DenialCode.TRADE_OUT_NOT_ALLOWED
    assert code(sell(1), level(tight, margin_after="9999.99")) is None


@pytest.mark.parametrize("missing", [{"pnl": None}, {"margin_after": None}])
def test_a_reducing_order_whose_credit_is_not_known_needs_trade_out(missing):
    unknown = level(rule=CreditRule.PNL_AND_MARGIN, net=1, **missing)
    denial = check_order(sell(1), [unknown])
    assert denial.code is DenialCode.TRADE_OUT_NOT_ALLOWED
    assert denial.text.endswith("with this order not known)")
    assert code(sell(1), replace(unknown, trade_out_allowed=True)) is None


def test_case_21_block_and_cross_orders_are_tested_only_when_asked_for():
    broke = level(pnl=-10_001)
    assert code(buy(1, is_block_cross=True), broke) is None
    assert code(buy(1, is_block_cross=True), replace(broke, apply_to_block_cross=True)) is DenialCode.CREDIT_EXHAUSTED
    assert code(buy(1), broke) is DenialCode.CREDIT_EXHAUSTED


def test_case_22_nothing_is_tested_while_check_credit_is_off():
    assert code(buy(1), level(check_credit=False, pnl=-50_000)) is None


@pytest.mark.parametrize(("margin_after", "expected"), [(4_000, None), (5_774, None), (5_775, "CREDIT_EXHAUSTED")])
def test_case_23_available_is_the_limit_less_the_loss_less_the_spread_margin(margin_after, expected):
    spread = level(rule=CreditRule.PNL_AND_MARGIN, daily_limit=6_000, pnl=-225, margin_after=margin_after)
    assert code(buy(1), spread) == expected


@pytest.mark.parametrize(("max_long", "expected"), [(15, False), (16, True), (17, True)])
def test_case_24_the_worst_case_long_position_is_held_to_the_limit(max_long, expected):
    one = level(net=5, working_buys=4, working_sells=3, max_long=max_long, max_short=0)
    assert (code(buy(7), one) is None) is expected


@pytest.mark.parametrize(("max_short", "expected"), [(4, False), (5, True), (6, True)])
def test_case_24_the_worst_case_short_position_is_held_to_the_limit(max_short, expected):
    one = level(net=5, working_buys=4, working_sells=3, max_short=max_short, max_long=0)
    assert (code(sell(7), one) is None) is expected


def test_case_24_the_denial_shows_the_worst_case_and_the_limit():
    denial = check_order(buy(7), [level(net=5, working_buys=4, max_long=15)])
    assert denial.reason is FailureReason.MaxPosLimitReached
    assert (
        denial.text
        == "Pre-trade risk rejection: Maximum position exceeded for account (CHILD) (worst case +16, limit +15)"
    )
    assert check_order(sell(7), [level(max_short=6)]).text.endswith("(worst case -7, limit -6)")


def test_a_position_over_the_limit_may_come_down():
    assert code(sell(1), level(net=20, max_long=15, max_short=0)) is None


def test_position_limits_do_not_hold_block_and_cross_orders_but_the_order_quantity_does():
    assert code(buy(7, is_block_cross=True), level(max_long=5)) is None
    assert code(buy(7, is_block_cross=True), level(max_order_qty=6)) is DenialCode.ORDER_QTY_EXCEEDED


def test_case_25_an_order_within_the_childs_limits_that_breaks_the_parents_is_denied():
    denial = check_order(buy(1), [FREE, level(PARENT, pnl=-10_001)])
    assert denial.code is DenialCode.CREDIT_EXHAUSTED
    assert denial.level == "PARENT"
    assert code(buy(3), level(max_long=5), level(PARENT, net=4, max_long=6)) is DenialCode.POSITION_LIMIT_EXCEEDED


@pytest.mark.parametrize(("qty", "expected"), [(4, True), (5, True), (6, False)])
def test_an_order_is_held_to_the_maximum_order_quantity(qty, expected):
    assert (code(buy(qty), level(max_order_qty=5)) is None) is expected


def test_a_maximum_of_zero_is_not_unlimited():
    assert code(buy(1), level(max_order_qty=0)) is DenialCode.ORDER_QTY_EXCEEDED
    assert code(buy(1), level(max_long=0)) is DenialCode.POSITION_LIMIT_EXCEEDED
    assert code(sell(1), level(max_short=0)) is DenialCode.POSITION_LIMIT_EXCEEDED
    assert code(buy(1), level(daily_limit=0, rule=CreditRule.MARGIN)) is DenialCode.CREDIT_EXHAUSTED


@pytest.mark.parametrize(("qty", "expected"), [(4, True), (5, True), (6, False)])
def test_case_87_trade_out_lets_a_flattening_order_past_every_limit_and_a_larger_one_past_none(qty, expected):
    used_up = level(
        rule=CreditRule.PNL_AND_MARGIN, pnl=-10_000, net=5, trade_out_allowed=True, max_order_qty=1, max_short=0
    )
    assert (code(sell(qty), used_up) is None) is expected
    assert (code(sell(qty), replace(used_up, rule=CreditRule.PNL)) is None) is expected


def test_a_reducing_order_is_held_to_the_order_quantity_where_trade_out_is_not_allowed():
    assert code(sell(5), level(net=5, max_order_qty=4)) is DenialCode.ORDER_QTY_EXCEEDED


def test_case_88_trade_out_never_overrides_a_lock():
    locked = level(net=5, trade_out_allowed=True, mode=TradingMode.LOCKED, lock_note="auto-liquidate")
    denial = check_order(sell(5), [locked])
    assert denial.reason is FailureReason.TradingLocked
    assert denial.text == "Pre-trade risk rejection: Trading disabled for account (CHILD) (auto-liquidate)"


def test_a_note_that_is_empty_leaves_no_brackets():
    text = check_order(buy(1), [level(mode=TradingMode.LOCKED)]).text
    assert text == "Pre-trade risk rejection: Trading disabled for account (CHILD)"


def test_a_closed_account_is_named_as_closed_even_when_locked():
    denial = check_order(buy(1), [level(is_closed=True, mode=TradingMode.LOCKED)])
    assert (denial.code, denial.reason) == (DenialCode.ACCOUNT_CLOSED, FailureReason.AccountClosed)


@pytest.mark.parametrize(
    "locked", [{"mode": TradingMode.LOCKED}, {"mode": TradingMode.LIQUIDATE_ONLY}, {"is_closed": True}]
)
def test_a_lock_anywhere_above_comes_before_any_limit(locked):
    denial = check_order(buy(1), [level(pnl=-99_999), PARENT, level(PARENT, name="TOP", **locked)])
    assert denial.level == "TOP"
    assert denial.code in {DenialCode.TRADING_LOCKED, DenialCode.LIQUIDATION_ONLY, DenialCode.ACCOUNT_CLOSED}


@pytest.mark.parametrize(
    ("order", "expected"), [(sell(5), None), (sell(6), "LIQUIDATION_ONLY"), (buy(1), "LIQUIDATION_ONLY")]
)
def test_c05_liquidate_only_lets_through_what_reduces_on_the_orders_own_account(order, expected):
    own = level(net=5)
    above = level(PARENT, net=-100, mode=TradingMode.LIQUIDATE_ONLY)
    assert code(order, own, above) == expected
    assert code(order, replace(own, mode=TradingMode.LIQUIDATE_ONLY)) == expected


def test_liquidate_only_at_the_parent_is_no_way_to_open_on_the_child():
    above = level(PARENT, net=5, mode=TradingMode.LIQUIDATE_ONLY)
    assert code(sell(1), FREE, above) is DenialCode.LIQUIDATION_ONLY


def test_an_order_counts_as_reducing_above_only_when_it_reduces_on_both_levels():
    broke = level(PARENT, pnl=-10_001)
    assert code(sell(1), level(net=1), replace(broke, net=1)) is None
    assert code(sell(1), level(net=1), replace(broke, net=0)) is DenialCode.CREDIT_EXHAUSTED
    assert code(sell(1), level(net=0), replace(broke, net=1)) is DenialCode.CREDIT_EXHAUSTED


@pytest.mark.parametrize(
    ("rule", "pnl", "margin", "expected"),
    [
        (CreditRule.PNL, None, 0, "PNL_NOT_EVALUABLE"),
        (CreditRule.PNL, 0, None, None),
        (CreditRule.MARGIN, None, 0, None),
        (CreditRule.MARGIN, 0, None, "MARGIN_UNKNOWN"),
        (CreditRule.PNL_AND_MARGIN, None, 0, "PNL_NOT_EVALUABLE"),
        (CreditRule.PNL_AND_MARGIN, 0, None, "MARGIN_UNKNOWN"),
        (CreditRule.PNL_AND_MARGIN, None, None, "PNL_NOT_EVALUABLE"),
    ],
)
def test_a_figure_the_rule_counts_must_be_known_and_no_other(rule, pnl, margin, expected):
    assert code(buy(1), level(rule=rule, pnl=pnl, margin_after=margin)) == expected


def test_a_denial_for_credit_shows_the_credit_before_and_with_the_order():
    one = level(rule=CreditRule.MARGIN, margin_before="8765.50", margin_after=10_500)
    assert check_order(buy(1), [one]).text == (
        "Pre-trade risk rejection: Credit used up for account (CHILD) (available 1,234.50, with this order -500)"
    )
    assert "available not known" in check_order(buy(1), [level(one, margin_before=None)]).text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"is_closed": True}, FailureReason.AccountClosed),
        ({"mode": TradingMode.LOCKED}, FailureReason.TradingLocked),
        ({"mode": TradingMode.LIQUIDATE_ONLY}, FailureReason.LiquidationOnly),
        ({"daily_limit": None}, FailureReason.MaxPosLimitMisconfigured),
        ({"pnl": None}, FailureReason.NoQuote),
        ({"rule": CreditRule.MARGIN, "margin_after": None}, FailureReason.OtherExecutionRelated),
        ({"pnl": -10_001}, FailureReason.NotEnoughLiquidity),
        ({"max_order_qty": 0}, FailureReason.MaxOrderQtyLimitReached),
        ({"max_long": 0}, FailureReason.MaxPosLimitReached),
    ],
)
def test_each_denial_carries_its_wire_reason(changes, reason):
    denial = check_order(buy(1), [level(**changes)])
    assert denial.reason is reason
    assert denial.text.startswith("Pre-trade risk rejection: ")


def test_a_trade_out_denial_is_not_enough_liquidity_on_the_wire():
    denial = check_order(sell(1), [level(net=1, rule=CreditRule.MARGIN, margin_after=10_000)])
    assert denial.reason is FailureReason.NotEnoughLiquidity


AMOUNTS = st.none() | st.integers(0, 20_000).map(Decimal)
SMALL = st.integers(0, 20)
LEVELS = st.builds(
    PretradeLevel,
    name=st.sampled_from(["A", "B"]),
    lock_note=st.just(""),
    daily_limit=AMOUNTS,
    pnl=st.none() | st.integers(-20_000, 20_000).map(Decimal),
    margin_before=AMOUNTS,
    margin_after=AMOUNTS,
    net=st.integers(-20, 20),
    working_buys=SMALL,
    working_sells=SMALL,
    max_order_qty=st.none() | SMALL,
    max_long=st.none() | SMALL,
    max_short=st.none() | SMALL,
)
TREES = st.lists(LEVELS, min_size=1, max_size=4)
ORDERS = st.builds(OrderRequest, symbol=st.just("ESH6"), qty=st.integers(1, 20))
HARD = {DenialCode.ACCOUNT_CLOSED, DenialCode.TRADING_LOCKED, DenialCode.LIQUIDATION_ONLY}


@given(ORDERS, TREES)
def test_no_order_passes_a_locked_or_closed_level(order, levels):
    if any(one.mode is TradingMode.LOCKED or one.is_closed for one in levels):
        assert code(order, *levels) in HARD


@given(ORDERS, TREES, LEVELS)
def test_one_more_level_above_never_lets_an_order_through(order, levels, above):
    if check_order(order, levels) is not None:
        assert check_order(order, [*levels, above]) is not None


@given(ORDERS, TREES)
def test_a_reducing_order_with_trade_out_everywhere_is_stopped_by_locks_only(order, levels):
    waived = [replace(one, trade_out_allowed=True) for one in levels]
    if all(projection(one, order) is Projection.REDUCES for one in waived):
        assert code(order, *waived) in {None, *HARD}


@given(ORDERS, LEVELS, st.integers(1, 20))
def test_an_order_let_through_with_an_opening_quantity_is_let_through_smaller(order, one, less):
    smaller = replace(order, qty=max(1, order.qty - less))
    if projection(one, smaller) is Projection.OPENS and check_order(order, [one]) is None:
        assert check_order(smaller, [one]) is None


@pytest.mark.parametrize(
    ("is_routing", "is_connected", "what"),
    [
        (True, True, None),
        (True, False, "has no connection to CME: assign one"),
        (False, True, "is non-routing: change its type"),
        (False, False, "is non-routing: change its type"),
    ],
)
def test_case_46_what_cannot_be_routed_is_denied_with_what_to_do(is_routing, is_connected, what):
    denial = route_denial("A-1", "CME", is_routing=is_routing, is_connected=is_connected)
    if what is None:
        assert denial is None
    else:
        assert denial.text.startswith(f"Pre-trade risk rejection: Account A-1 {what}")
        assert (denial.reason, denial.code) == (FailureReason.ExecutionProviderNotConfigured, DenialCode.NO_ROUTE)


def test_a_users_own_limit_is_told_as_the_users():
    spent = level(replace(FREE, name="tom", holder="user"), pnl=-10_001)
    denial = check_order(OrderRequest("ESZ6", Side.BUY, 1), [FREE, spent])
    assert denial.text.startswith("Pre-trade risk rejection: Credit used up for user (tom)")
