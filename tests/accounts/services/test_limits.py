"""Credit settings: what is held, refused, re-based and recorded."""

from datetime import time
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from accounts.errors import AccountClosed, InvalidValue, NotFound, NotPermitted
from accounts.models import AccountCredit, AccountSession
from accounts.permissions import ENGINE
from accounts.rules.audit import AuditAction
from accounts.rules.credit import CreditLossAction, CreditRule
from accounts.rules.hierarchy import AccountType
from accounts.services import limits, structure
from accounts.services.sod import reset_of
from tests import builders
from tests.accounts.evidence import entries, snapshot
from tests.builders import NOW

pytestmark = pytest.mark.django_db

AT_17 = {"override_reset": True, "reset_time": time(17), "reset_timezone": "America/Chicago"}
AT_18 = AT_17 | {"reset_time": time(18)}
DISABLE = {
    "daily_limit": Decimal(10000),
    "credit_loss_pct": Decimal(80),
    "credit_loss_action": CreditLossAction.DISABLE,
}
LIQUIDATE = DISABLE | {"credit_loss_action": CreditLossAction.AUTO_LIQUIDATE}


@pytest.fixture
def firm():
    return builders.company("ALPHA")


@pytest.fixture
def account(firm):
    return builders.account(firm, "A-1")


def save(account, /, actor=None, **changes):
    return limits.save_account_credit(
        account_id=account.pk, changes=changes, actor=actor or builders.platform(), now=NOW, reason="asked for"
    )


def credit_of(account):
    return AccountCredit.objects.get(account=account)


def refused_field(account, /, **changes):
    before = snapshot()
    with pytest.raises(InvalidValue) as caught:
        save(account, **changes)
    assert snapshot() == before
    return caught.value.field


def test_a_new_account_has_the_defaults_and_no_action(account):
    credit = credit_of(account)
    assert (credit.create_sod, credit.create_spread_sod, credit.persist_lme) == (True, False, False)
    assert (credit.override_reset, credit.check_credit, credit.apply_to_block_cross) == (False, False, False)
    assert (credit.rule, credit.daily_limit, credit.credit_loss_action) == ("PNL", None, "NONE")


def test_each_saved_field_is_recorded_with_old_and_new_value_and_no_other(account):
    save(account, daily_limit=Decimal(10000), check_credit=True)
    changed = save(account, daily_limit=Decimal("12000.50"), check_credit=True, rule=CreditRule.MARGIN)
    assert changed == {
        "daily_limit": (Decimal(10000), Decimal("12000.50")),
        "rule": ("PNL", "MARGIN"),
    }
    entry = entries(AuditAction.CREDIT_CHANGED)[-1]
    assert {field: Decimal(value) for field, value in entry.before.items() if field == "daily_limit"} == {
        "daily_limit": Decimal(10000)
    }
    assert entry.before["rule"] == "PNL"
    assert (Decimal(entry.after["daily_limit"]), entry.after["rule"]) == (Decimal("12000.50"), "MARGIN")
    assert set(entry.before) == set(entry.after) == {"daily_limit", "rule"}
    assert entry.reason == "asked for"


@pytest.mark.parametrize("same", [Decimal("10000.00"), Decimal("1E4")])
def test_no_row_of_the_change_log_when_nothing_changed(account, same):
    save(account, daily_limit=Decimal(10000))
    assert save(account, daily_limit=same) == {}
    assert len(entries(AuditAction.CREDIT_CHANGED)) == 1


def test_saving_nothing_changes_nothing(account):
    assert save(account) == {}
    assert entries(AuditAction.CREDIT_CHANGED) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("daily_limit", Decimal(-1)),
        ("daily_limit", Decimal("NaN")),
        ("daily_limit", Decimal("0.0000001")),
        ("daily_limit", 1.5),
        ("credit_loss_pct", Decimal(0)),
        ("credit_loss_pct", Decimal("-0.01")),
        ("credit_loss_pct", Decimal("100.01")),
        ("credit_loss_pct", Decimal("33.333")),
        ("credit_loss_pct", 80.0),
        ("credit_loss_action", "SELL_THE_FURNITURE"),
        ("rule", "GUESS"),
        ("currency", "DOLLARS"),
        ("check_credit", "maybe"),
        ("reset_time", "25:00"),
        ("no_such_field", 1),
        ("account", 1),
        ("account_id", 1),
    ],
)
def test_a_value_that_cannot_be_held_names_its_field_and_changes_nothing(account, field, value):
    assert refused_field(account, **{field: value}) == field


@pytest.mark.parametrize("pct", ["0.01", "99.99", "100"])
def test_a_percentage_above_0_and_up_to_100_with_two_decimals_is_held(account, pct):
    save(account, credit_loss_pct=Decimal(pct))
    assert credit_of(account).credit_loss_pct == Decimal(pct)


def test_a_limit_of_zero_is_a_limit(account):
    save(account, daily_limit=Decimal(0), check_credit=True)
    assert credit_of(account).daily_limit == 0


# tt-sod-credit 13, 38, 56: what an action needs


def test_an_action_needs_a_daily_limit_above_0(account):
    assert refused_field(account, **(DISABLE | {"daily_limit": Decimal(0)})) == "daily_limit"
    assert refused_field(account, **(DISABLE | {"daily_limit": None})) == "daily_limit"
    save(account, **(DISABLE | {"daily_limit": Decimal("0.01")}))
    assert refused_field(account, daily_limit=Decimal(0)) == "daily_limit"


def test_an_action_needs_its_percentage(account):
    assert refused_field(account, **(DISABLE | {"credit_loss_pct": None})) == "credit_loss_pct"
    save(account, **DISABLE)
    assert refused_field(account, credit_loss_pct=None) == "credit_loss_pct"


def test_without_a_liquidation_user_auto_liquidate_cannot_be_chosen():
    account = builders.account(builders.company("BARE", liquidation_user=False))
    assert refused_field(account, **LIQUIDATE) == "credit_loss_action"
    save(account, **DISABLE)


def test_auto_liquidate_cannot_be_chosen_on_a_non_routing_account(firm):
    account = builders.account(firm, account_type=AccountType.NON_ROUTING)
    assert refused_field(account, **LIQUIDATE) == "credit_loss_action"
    save(account, **DISABLE)


@pytest.mark.parametrize("kind", [AccountType.ROUTING_EXTERNAL, AccountType.ROUTING_INTERNAL])
def test_auto_liquidate_can_be_chosen_on_a_routing_account(firm, kind):
    account = builders.account(firm, account_type=kind)
    save(account, **LIQUIDATE)
    credit = credit_of(account)
    assert (credit.credit_loss_action, credit.credit_loss_company) == ("AUTO_LIQUIDATE", None)


def test_an_action_that_became_inactive_is_kept_and_its_limit_can_still_be_changed(account):
    save(account, **LIQUIDATE)
    structure.change_account(
        account_id=account.pk, changes={"type": AccountType.NON_ROUTING}, actor=builders.platform(), now=NOW
    )
    save(account, daily_limit=Decimal(20000))
    assert credit_of(account).credit_loss_action == "AUTO_LIQUIDATE"


# 58, 59, 69, 70: the reset and the SOD boxes


def test_an_override_needs_a_known_timezone(account):
    assert refused_field(account, override_reset=True, reset_time=time(17)) == "reset_timezone"
    assert refused_field(account, **(AT_17 | {"reset_timezone": "Mars/Olympus"})) == "reset_timezone"
    save(account, **AT_17)
    assert refused_field(account, reset_timezone="") == "reset_timezone"


def test_persist_lme_needs_start_of_day_records(account):
    assert refused_field(account, persist_lme=True, create_sod=False) == "persist_lme"
    save(account, persist_lme=True)
    assert refused_field(account, create_sod=False) == "persist_lme"
    save(account, create_sod=False, persist_lme=False)


@pytest.mark.parametrize("levels_between", [0, 1])
def test_a_child_cannot_hold_another_reset_time_than_an_account_above_it(firm, account, levels_between):
    save(account, **AT_17)
    parent = account
    for _ in range(levels_between):
        parent = builders.account(firm, parent=parent)
    child = builders.account(firm, parent=parent)
    assert refused_field(child, **AT_18) == "override_reset"
    save(child, **AT_17)
    assert refused_field(child, reset_time=time(18)) == "override_reset"
    assert refused_field(child, reset_timezone="Europe/London") == "override_reset"
    save(child, override_reset=False, reset_time=time(18))
    save(child, reset_time=time(9))


def test_clearing_a_parents_override_clears_it_on_everything_below_and_nowhere_else(firm, account):
    child = builders.account(firm, parent=account)
    grandchild = builders.account(firm, parent=child)
    other = builders.account(firm)
    for row in (account, child, grandchild, other):
        save(row, **AT_17)
    save(account, override_reset=False)
    standing = {row: credit_of(row).override_reset for row in (account, child, grandchild, other)}
    assert standing == {account: False, child: False, grandchild: False, other: True}
    cleared = entries(AuditAction.CREDIT_CHANGED)[-2:]
    assert [entry.account for entry in cleared] == [child, grandchild]
    assert all(entry.before == {"override_reset": True} for entry in cleared)
    assert cleared[0].reason == "Override taken off on A-1"


def test_a_parents_new_override_binds_a_child_that_has_another(firm, account):
    child = builders.account(firm, parent=account)
    AccountCredit.objects.filter(account=child).update(**AT_18)  # held when it was hung there
    save(account, **AT_17)
    assert reset_of(child).time == time(17)
    assert credit_of(child).reset_time == time(18)


def test_a_sub_account_holds_no_reset_time_but_its_trees(firm, account):
    child = builders.account(firm, parent=account)
    assert refused_field(child, **AT_18) == "override_reset"
    save(child, **AT_17)  # the exchange's own
    assert credit_of(child).override_reset


# the base


def test_a_new_daily_limit_rebases_the_session_at_once_with_its_carry(account):
    AccountSession.objects.filter(account=account).update(carry=Decimal(-2000))
    save(account, daily_limit=Decimal(10000))
    assert AccountSession.objects.get(account=account).base == 8000
    save(account, daily_limit=None)
    assert AccountSession.objects.get(account=account).base is None
    AccountSession.objects.filter(account=account).delete()
    save(account, daily_limit=Decimal(1))


def test_a_closed_account_holds_no_new_settings_and_a_stranger_does_not_learn_that_it_is_closed(firm, account):
    structure.close_account(account_id=account.pk, actor=builders.platform(), now=NOW, reason="left")
    stranger = builders.actor(builders.admin(builders.company("OMEGA")))
    for attempt in (limits.save_account_credit, limits.save_auto_liq):
        with pytest.raises(AccountClosed):
            attempt(account_id=account.pk, changes={}, actor=builders.platform(), now=NOW)
        with pytest.raises(NotFound):
            attempt(account_id=account.pk, changes={}, actor=stranger, now=NOW)


def test_the_database_itself_holds_the_signs_and_the_pairs(account):
    for values in (
        {"daily_limit": -1},
        {"credit_loss_pct": 0},
        {"credit_loss_pct": 101},
        {"credit_loss_action": "DISABLE"},
        {"override_reset": True},
        {"persist_lme": True, "create_sod": False},
        {"rule": "GUESS"},
        {"credit_loss_action": "GUESS", "credit_loss_pct": 1},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            AccountCredit.objects.filter(account=account).update(**values)


def test_the_engine_changes_no_setting(account):
    for attempt in (limits.save_account_credit, limits.save_auto_liq):
        with pytest.raises(NotPermitted):
            attempt(account_id=account.pk, changes={}, actor=ENGINE, now=NOW)
