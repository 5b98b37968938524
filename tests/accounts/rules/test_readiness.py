"""Readiness: eleven prerequisites, each with what to do; and why a closing order cannot be sent."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.rules.credit import CreditLossAction
from accounts.rules.hierarchy import AccountType
from accounts.rules.readiness import BlockReason, Prerequisite, ReadinessFacts, is_ready, leg_block, readiness

READY = ReadinessFacts(
    post_trade_risk_enabled=True,
    liquidation_user="liq",
    liquidation_user_is_active=True,
    operator_ids={"CME": "OP1", "ICE": "OP2"},
    exchanges_held=frozenset({"CME"}),
    connected_exchanges=frozenset({"CME", "ICE"}),
    check_credit=True,
    daily_limit=Decimal(10_000),
    account_type=AccountType.ROUTING_EXTERNAL,
    credit_loss_action=CreditLossAction.AUTO_LIQUIDATE,
    credit_loss_pct=Decimal(80),
    active_ancestor=None,
)


def failed(**changes):
    """Numbers of the prerequisites that fail when these facts are different."""
    return [check.number for check in readiness(replace(READY, **changes)) if not check.passed]


def reason(number, **changes):
    return readiness(replace(READY, **changes))[number - 1].reason


def test_an_account_that_meets_all_eleven_is_ready():
    checks = readiness(READY)
    assert is_ready(checks)
    assert [(check.number, check.prerequisite) for check in checks] == list(enumerate(Prerequisite, start=1))
    assert len(checks) == 11


def test_a_company_switch_that_is_off_fails_1():
    assert failed(post_trade_risk_enabled=False) == [1]


@pytest.mark.parametrize("nobody", [None, "", " "])
def test_case_38_no_liquidation_user_fails_2_and_what_hangs_on_it(nobody):
    assert failed(liquidation_user=nobody) == [2, 3, 4]
    assert reason(2, liquidation_user=nobody) == "Assign an auto-liquidation user to the company."


def test_case_39_an_inactive_liquidation_user_fails_3():
    assert failed(liquidation_user_is_active=False) == [3]
    assert reason(3, liquidation_user_is_active=False) == "Make the user liq active."


@pytest.mark.parametrize("ids", [{}, {"CME": "", "ICE": " "}])
def test_case_40_a_liquidation_user_without_ids_fails_4_and_every_exchange_is_named(ids):
    assert failed(operator_ids=ids) == [4]
    assert reason(4, operator_ids=ids) == "Give the user liq an operator id for CME."
    flat = frozenset()
    assert reason(4, operator_ids=ids, exchanges_held=flat) == "Give the user liq an operator id for CME, ICE."


def test_an_id_is_needed_where_positions_are_held_and_of_a_flat_account_where_orders_can_go():
    assert failed(operator_ids={"CME": "OP1"}) == []
    assert failed(operator_ids={"ICE": "OP2"}) == [4]
    assert failed(operator_ids={"CME": "OP1"}, exchanges_held=frozenset()) == [4]


def test_case_41_the_liquidation_user_needs_no_account():
    assert 5 not in failed(liquidation_user=None)


def test_case_46_no_connection_fails_6_also_when_nothing_is_held():
    nowhere = frozenset()
    assert failed(connected_exchanges=nowhere) == [6]
    assert failed(connected_exchanges=nowhere, exchanges_held=nowhere) == [6]
    assert reason(6, connected_exchanges=nowhere, exchanges_held=nowhere).startswith("There is no connection")


def test_every_exchange_held_needs_a_connection():
    held = frozenset({"CME", "ICE"})
    assert failed(exchanges_held=held, connected_exchanges=frozenset({"CME"})) == [6]
    assert reason(6, exchanges_held=held, connected_exchanges=frozenset({"CME"})) == (
        "Give the account a connection to ICE."
    )
    assert failed(exchanges_held=frozenset()) == []


def test_check_credit_off_fails_7():
    assert failed(check_credit=False) == [7]


@pytest.mark.parametrize(
    ("daily_limit", "expected"),
    [(None, [8]), (Decimal("-0.01"), [8]), (Decimal(0), [8]), (Decimal("0.01"), [])],
)
def test_case_13_a_daily_limit_of_zero_is_refused(daily_limit, expected):
    assert failed(daily_limit=daily_limit) == expected


@pytest.mark.parametrize(("account_type", "expected"), list(zip(AccountType, ([], [], [9]), strict=True)))
def test_case_57_both_routing_types_pass_and_the_third_fails_9(account_type, expected):
    assert failed(account_type=account_type) == expected


@pytest.mark.parametrize("action", sorted(set(CreditLossAction) - {CreditLossAction.AUTO_LIQUIDATE}))
def test_any_other_action_fails_10(action):
    assert failed(credit_loss_action=action) == [10]


@pytest.mark.parametrize(
    ("pct", "expected"),
    [
        (None, [10]),
        (Decimal(0), [10]),
        (Decimal("0.01"), []),
        (Decimal("99.99"), []),
        (Decimal(100), []),
        (Decimal("100.01"), [10]),
    ],
)
def test_the_percentage_is_above_0_and_at_most_100(pct, expected):
    assert failed(credit_loss_pct=pct) == expected


def test_an_active_ancestor_fails_11_and_is_named():
    assert failed(active_ancestor="HOUSE") == [11]
    assert "HOUSE" in reason(11, active_ancestor="HOUSE")


FACTS = st.builds(
    ReadinessFacts,
    operator_ids=st.dictionaries(st.sampled_from(["CME", "ICE"]), st.sampled_from(["", "OP"])),
    exchanges_held=st.frozensets(st.sampled_from(["CME", "ICE"])),
    connected_exchanges=st.frozensets(st.sampled_from(["CME", "ICE"])),
    daily_limit=st.none() | st.decimals(0, 10, places=2),
    credit_loss_pct=st.none() | st.decimals(0, 101, places=2),
)


@given(FACTS)
def test_there_are_always_eleven_lines_each_with_a_sentence(facts):
    checks = readiness(facts)
    assert [check.number for check in checks] == list(range(1, 12))
    assert all(check.reason.endswith(".") for check in checks)
    assert is_ready(checks) is all(check.passed for check in checks)


EXCHANGES = st.frozensets(st.sampled_from(["CME", "ICE"]))
IDS = st.dictionaries(st.sampled_from(["CME", "ICE"]), st.sampled_from(["", "OP"]))


@given(EXCHANGES, EXCHANGES, IDS)
def test_an_account_is_ready_exactly_when_it_is_connected_and_no_leg_would_be_blocked(held, connected, ids):
    facts = replace(READY, exchanges_held=held, connected_exchanges=connected, operator_ids=ids)
    blocked = [
        leg_block(
            liquidation_user=facts.liquidation_user,
            is_active=facts.liquidation_user_is_active,
            operator_id=ids.get(exchange),
            is_connected=exchange in connected,
        )
        for exchange in held or connected
    ]
    assert is_ready(readiness(facts)) is (bool(connected) and not any(blocked))


def test_a_part_of_the_checks_is_not_ready():
    assert not is_ready(readiness(READY)[:10])
    assert not is_ready(())


@pytest.mark.parametrize(
    ("user", "is_active", "operator_id", "is_connected", "expected"),
    [
        (None, False, None, False, BlockReason.NO_LIQUIDATION_USER),
        ("", True, "OP", True, BlockReason.NO_LIQUIDATION_USER),
        ("liq", False, None, False, BlockReason.LIQUIDATION_USER_INACTIVE),
        ("liq", True, None, False, BlockReason.NO_OPERATOR_ID),
        ("liq", True, " ", True, BlockReason.NO_OPERATOR_ID),
        ("liq", True, "OP", False, BlockReason.NO_CONNECTION),
        ("liq", True, "OP", True, None),
    ],
)
def test_the_first_thing_that_is_missing_blocks_a_leg(user, is_active, operator_id, is_connected, expected):
    assert (
        leg_block(liquidation_user=user, is_active=is_active, operator_id=operator_id, is_connected=is_connected)
        is expected
    )
