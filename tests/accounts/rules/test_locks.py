"""Locks: the strictest wins, each cause stands alone, each administrative action does what its page says."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.rules.locks import (
    CURRENT_REASON_CODES,
    AdminAction,
    AdminActionReasonCode,
    AdminEffect,
    LockCause,
    LockMode,
    TradingFlags,
    TradingMode,
    admin_effect,
    is_releasable,
    trading_mode,
    tt_flags,
)

WIRE_ACTIONS = [
    "Normal",
    "PlaceAutoLiqOnHold",
    "DisableAutoLiq",
    "AgreedOnLiqOnlyModeByAutoLiq",
    "AgreedOnLiquidationByAutoLiq",
    "LiquidateOnlyModeImmediately",
    "LockTradingImmediately",
    "LiquidateImmediately",
]
WIRE_CODES = [
    "CloseAMLDecision",
    "CloseComplianceDecision",
    "CloseCustomerRequest",
    "CloseDeceased",
    "CloseEscheatment",
    "CloseFraud",
    "CloseInactiveUnfundedAccount",
    "FullBalanceWithdrawal",
    "RestrictedAMLRequest",
    "RestrictedAccountsRequest",
    "RestrictedComplianceRequest",
    "RestrictedRiskRestriction",
    "RestrictedTreasuryRequest",
    "RestrictedW8Expired",
    "Other",
]


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        ([], TradingMode.NORMAL),
        ([LockMode.LIQUIDATE_ONLY], TradingMode.LIQUIDATE_ONLY),
        ([LockMode.LOCKED], TradingMode.LOCKED),
        ([LockMode.LIQUIDATE_ONLY, LockMode.LOCKED], TradingMode.LOCKED),
        ([LockMode.LOCKED, LockMode.LIQUIDATE_ONLY], TradingMode.LOCKED),
    ],
)
def test_the_strictest_lock_gives_the_trading_mode(modes, expected):
    assert trading_mode(iter(modes)) is expected


STRICTNESS = list(TradingMode)


@given(st.lists(st.sampled_from(LockMode)), st.sampled_from(LockMode))
def test_one_more_lock_never_loosens(modes, one_more):
    assert STRICTNESS.index(trading_mode([*modes, one_more])) >= STRICTNESS.index(trading_mode(modes))


def test_the_actions_are_the_eight_of_the_wire_from_normal_to_liquidate():
    assert [action.value for action in AdminAction] == WIRE_ACTIONS


def test_the_current_reason_codes_are_the_fifteen_from_close_aml_decision_to_other():
    assert [code.value for code in CURRENT_REASON_CODES] == WIRE_CODES


def test_the_four_older_reason_codes_are_known_but_not_offered():
    older = [code for code in AdminActionReasonCode if code not in CURRENT_REASON_CODES]
    assert older == ["CallIn", "ClosingAccount", "ComplianceRequest", "LowLiquidity"]


@pytest.mark.parametrize(
    ("action", "effect"),
    [
        ("Normal", AdminEffect(releases=True)),
        ("LockTradingImmediately", AdminEffect(lock_mode=LockMode.LOCKED)),
        ("LiquidateImmediately", AdminEffect(lock_mode=LockMode.LOCKED, liquidates=True)),
        ("LiquidateOnlyModeImmediately", AdminEffect(lock_mode=LockMode.LIQUIDATE_ONLY)),
        ("PlaceAutoLiqOnHold", AdminEffect(hold_seconds=60, suppresses_auto_liq=True)),
        ("DisableAutoLiq", AdminEffect(suppresses_auto_liq=True)),
        ("AgreedOnLiqOnlyModeByAutoLiq", AdminEffect(hold_seconds=60, suppresses_auto_liq=True)),
        ("AgreedOnLiquidationByAutoLiq", AdminEffect()),
    ],
)
def test_each_action_has_its_documented_effect(action, effect):
    assert admin_effect(AdminAction(action)) == effect


def test_only_normal_releases_only_liquidate_liquidates_and_no_action_does_both():
    effects = {action: admin_effect(action) for action in AdminAction}
    assert [action for action in effects if effects[action].releases] == [AdminAction.NORMAL]
    assert [action for action in effects if effects[action].liquidates] == [AdminAction.LIQUIDATE_IMMEDIATELY]


@pytest.mark.parametrize(
    ("cause", "box"),
    [
        (LockCause.ADMIN, "disable_trading"),
        (LockCause.COMPANY, "disable_trading"),
        (LockCause.LOCKOUT, "disable_trading"),
        (LockCause.FLATTEN, "disable_trading"),
        (LockCause.CREDIT_LOSS, "auto_liquidate"),
        (LockCause.AUTO_LIQ, "auto_liquidate"),
        (LockCause.MAX_ORDERS, "max_order_limit"),
        (LockCause.MARKET_IMPACT, "market_impact"),
    ],
)
def test_every_cause_sets_exactly_one_box(cause, box):
    boxes = {name: getattr(tt_flags([cause]), name) for name in TradingFlags.__dataclass_fields__}
    assert [name for name, is_set in boxes.items() if is_set] == [box]


def test_no_open_lock_sets_no_box():
    assert tt_flags([]) == TradingFlags(False, False, False, False)


def test_case_79_two_causes_set_two_boxes():
    assert tt_flags(iter([LockCause.MAX_ORDERS, LockCause.AUTO_LIQ])) == TradingFlags(
        disable_trading=False, auto_liquidate=True, max_order_limit=True, market_impact=False
    )


def test_case_80_a_market_impact_lock_holds_through_the_cooling_off_period():
    assert not is_releasable(LockCause.MARKET_IMPACT, by_engine=False, cooling_off=True)
    assert is_releasable(LockCause.MARKET_IMPACT, by_engine=False, cooling_off=False)


def test_cooling_off_binds_no_other_cause():
    others = set(LockCause) - {LockCause.MARKET_IMPACT}
    assert all(is_releasable(cause, by_engine=False, cooling_off=True) for cause in others)


def test_the_engine_never_releases():
    cases = itertools.product(LockCause, (True, False))
    assert not any(is_releasable(cause, by_engine=True, cooling_off=cooling_off) for cause, cooling_off in cases)
