"""Who may change which box of the credit settings, on own and on shared accounts; the limits beside them."""

from datetime import time
from decimal import Decimal

import pytest

from accounts.errors import InvalidValue, NotFound, NotPermitted
from accounts.models import AccountAutoLiq, AccountCredit, UserCredit
from accounts.permissions import PLATFORM, TASK
from accounts.rules.audit import AuditAction
from accounts.rules.credit import CreditLossAction
from accounts.rules.roles import Role
from accounts.services import limits, structure
from tests import builders
from tests.accounts.evidence import entries, only_entry, snapshot
from tests.builders import NOW

pytestmark = pytest.mark.django_db
LIMIT = {"daily_limit": Decimal(5000)}
BOX = {"credit_loss_pct": Decimal(80), "credit_loss_action": CreditLossAction.DISABLE}
AUTO_LIQ = {"daily_loss_auto_liq": Decimal(500)}


@pytest.fixture
def firm():
    return builders.company("ALPHA")


@pytest.fixture
def account(firm):
    return builders.account(firm, "A-1", daily_limit="10000")


@pytest.fixture
def guest(account):
    company = builders.company("BETA")
    builders.share(account, company)
    return company


def save(account, user, **changes):
    who = user if not hasattr(user, "username") else builders.actor(user)
    return limits.save_account_credit(account_id=account.pk, changes=changes, actor=who, now=NOW)


def of_role(account, role):
    user = builders.user(account.company, role=role)
    structure.assign_user(account_id=account.pk, user=user, actor=builders.platform(), now=NOW)
    return user


@pytest.mark.parametrize(
    ("role", "may_limit", "may_box", "may_auto_liq"),
    [
        (Role.COMPANY_ADMIN, True, True, True),
        (Role.ACCOUNT_ADMIN, True, False, False),  # 65: the credit-loss box is read-only for an account administrator
        (Role.RISK_OPERATOR, False, False, False),
        (Role.TRADER, False, False, False),
        (Role.VIEW_ONLY, False, False, False),  # 67
    ],
)
def test_which_role_may_change_which_box(account, role, may_limit, may_box, may_auto_liq):
    user = of_role(account, role)
    attempts = {True: [], False: []}
    attempts[may_limit].append(lambda: save(account, user, **LIMIT))
    attempts[may_box].append(lambda: save(account, user, **BOX))
    attempts[may_auto_liq].append(
        lambda: limits.save_auto_liq(account_id=account.pk, changes=AUTO_LIQ, actor=builders.actor(user), now=NOW)
    )
    for attempt in attempts[False]:
        before = snapshot()
        with pytest.raises(NotPermitted):
            attempt()
        assert snapshot() == before
    for attempt in attempts[True]:
        assert attempt()


def test_an_account_administrator_who_changes_both_boxes_at_once_changes_neither(account):
    user = of_role(account, Role.ACCOUNT_ADMIN)
    with pytest.raises(NotPermitted):
        save(account, user, **LIMIT, **BOX)
    assert AccountCredit.objects.get(account=account).daily_limit == 10000


def test_an_account_administrator_may_send_the_box_back_unchanged(account):
    user = of_role(account, Role.ACCOUNT_ADMIN)
    save(account, builders.platform(), **BOX)
    assert set(save(account, user, **LIMIT, **BOX)) == {"daily_limit"}


@pytest.mark.parametrize(("action", "is_allowed"), [(CreditLossAction.NONE, True), (CreditLossAction.DISABLE, False)])
def test_check_credit_is_switched_off_under_an_action_by_a_company_administrator_alone(account, action, is_allowed):
    save(account, builders.platform(), **(BOX | {"credit_loss_action": action}))
    keeper = of_role(account, Role.ACCOUNT_ADMIN)
    save(account, keeper, check_credit=True, **LIMIT)
    if is_allowed:
        save(account, keeper, check_credit=False)
    else:
        with pytest.raises(NotPermitted, match="edit credit loss"):
            save(account, keeper, check_credit=False)
    save(account, of_role(account, Role.COMPANY_ADMIN), check_credit=False)
    save(account, keeper, check_credit=True)


def test_an_account_administrator_who_is_not_assigned_finds_nothing(account):
    user = builders.user(account.company, role=Role.ACCOUNT_ADMIN)
    with pytest.raises(NotFound):
        save(account, user, **LIMIT)


def test_a_shared_with_administrator_does_not_change_the_limit(account, guest):
    with pytest.raises(NotPermitted):
        save(account, builders.admin(guest), **LIMIT)
    with pytest.raises(NotPermitted):
        save(account, builders.admin(guest), **LIMIT, **BOX)


def test_a_shared_with_administrator_switches_the_action_on_where_the_owner_has_none(account, guest):
    save(account, builders.admin(guest), **(BOX | {"credit_loss_action": CreditLossAction.AUTO_LIQUIDATE}))
    credit = AccountCredit.objects.get(account=account)
    assert (credit.credit_loss_action, credit.credit_loss_company) == ("AUTO_LIQUIDATE", guest)
    save(account, builders.admin(guest), credit_loss_pct=Decimal(70))
    save(account, builders.admin(guest), credit_loss_action=CreditLossAction.NONE)


def test_the_owners_setting_wins(account, guest):
    save(account, builders.admin(guest), **BOX)
    save(account, builders.admin(account.company), credit_loss_pct=Decimal(50))
    assert AccountCredit.objects.get(account=account).credit_loss_company == account.company
    with pytest.raises(NotPermitted, match="owner"):
        save(account, builders.admin(guest), credit_loss_pct=Decimal(90))


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.COMPANY_ADMIN}))
def test_nobody_else_of_a_shared_with_company_touches_the_box(account, guest, role):
    with pytest.raises((NotPermitted, NotFound)):
        save(account, builders.user(guest, role=role), **BOX)


def test_an_administrator_of_a_company_without_a_share_finds_nothing(account):
    with pytest.raises(NotFound):
        save(account, builders.admin(builders.company("OMEGA")), **BOX)


def test_a_shared_with_company_can_make_nobody_but_itself_close(account, guest):
    third = builders.company("OMEGA")
    for chosen in (None, account.company, third):
        with pytest.raises(InvalidValue) as caught:
            save(account, builders.admin(guest), **BOX, credit_loss_company=chosen)
        assert caught.value.field == "credit_loss_company"


def test_the_owner_and_the_platform_choose_among_the_companies_that_have_the_account(account, guest):
    third = builders.company("OMEGA")
    owner = builders.admin(account.company)
    for user in (owner, builders.superuser()):
        for chosen in (guest, None, account.company):
            save(account, user, **BOX, credit_loss_company=chosen)
            assert AccountCredit.objects.get(account=account).credit_loss_company == chosen
        with pytest.raises(InvalidValue) as caught:
            save(account, user, credit_loss_company=third)
        assert caught.value.field == "credit_loss_company"
    save(account, PLATFORM, credit_loss_pct=Decimal(10))
    assert AccountCredit.objects.get(account=account).credit_loss_company is None


def test_a_shared_with_companys_liquidation_user_is_enough(guest):
    bare = builders.company("BARE", liquidation_user=False)
    account = builders.account(bare, daily_limit="1000")
    builders.share(account, guest)
    save(account, builders.admin(guest), **(BOX | {"credit_loss_action": CreditLossAction.AUTO_LIQUIDATE}))


# auto-liquidation limits


def auto_liq(account, /, actor=None, **changes):
    return limits.save_auto_liq(
        account_id=account.pk, changes=changes, actor=actor or builders.platform(), now=NOW, reason="asked for"
    )


def test_auto_liquidation_limits_are_recorded_field_by_field_and_cleared_by_none(account):
    assert auto_liq(account, daily_loss_auto_liq=Decimal(500)) == {"daily_loss_auto_liq": (None, Decimal(500))}
    assert auto_liq(account, daily_loss_auto_liq=Decimal("500.0")) == {}
    assert auto_liq(account, daily_loss_auto_liq=None) == {"daily_loss_auto_liq": (Decimal(500), None)}
    first, second = entries(AuditAction.AUTO_LIQ_CHANGED)
    assert (first.before, first.after) == ({"daily_loss_auto_liq": None}, {"daily_loss_auto_liq": "500"})
    assert Decimal(second.before["daily_loss_auto_liq"]) == 500
    assert AccountAutoLiq.objects.get(account=account).daily_loss_auto_liq is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("margin_percentage_alert", Decimal(0)),
        ("margin_percentage_liq_only", Decimal("0.00")),
        ("margin_percentage_auto_liq", 0),
        ("daily_loss_auto_liq", 1.5),
        ("trailing_max_drawdown_mode", "Weekly"),
        ("account", None),
        ("no_such_limit", Decimal(1)),
    ],
)
def test_an_auto_liquidation_limit_that_cannot_be_held_names_its_field(account, field, value):
    before = snapshot()
    with pytest.raises(InvalidValue) as caught:
        auto_liq(account, **{field: value})
    assert caught.value.field == field
    assert snapshot() == before


def test_a_shared_with_administrator_changes_no_auto_liquidation_limit(account, guest):
    with pytest.raises(NotPermitted):
        auto_liq(account, actor=builders.actor(builders.admin(guest)), **AUTO_LIQ)


# users


def user_credit(user, /, actor=None, **changes):
    return limits.save_user_credit(user_id=user.pk, changes=changes, actor=actor or builders.platform(), now=NOW)


def test_a_users_limits_are_saved_and_recorded(firm):
    user = builders.trader(firm)
    assert user_credit(user, daily_limit=Decimal(100)) == {"daily_limit": (None, Decimal(100))}
    entry = only_entry(AuditAction.USER_CREDIT_CHANGED)
    assert (entry.before, entry.after, entry.company) == ({"daily_limit": None}, {"daily_limit": "100"}, firm)
    assert UserCredit.objects.get(user=user).daily_limit == 100


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("daily_limit", {"daily_limit": Decimal(-1)}),
        ("reset_timezone", {"override_reset": True, "reset_time": time(17)}),
        ("reset_timezone", {"override_reset": True, "reset_timezone": "Mars/Olympus"}),
        ("user", {"user": None}),
        ("credit_loss_pct", {"credit_loss_pct": Decimal(1)}),
    ],
)
def test_a_users_limit_that_cannot_be_held_names_its_field(firm, field, changes):
    with pytest.raises(InvalidValue) as caught:
        user_credit(builders.trader(firm), **changes)
    assert caught.value.field == field


def test_only_the_companys_administrator_changes_a_users_limits(firm):
    user = builders.trader(firm)
    with pytest.raises(NotPermitted):
        user_credit(user, actor=builders.actor(user), **LIMIT)
    for actor in (builders.actor(builders.admin(builders.company("OMEGA"))), TASK):
        with pytest.raises(NotFound):
            user_credit(user, actor=actor, **LIMIT)
    for user_id in (0, builders.superuser().pk):
        with pytest.raises(NotFound):
            limits.save_user_credit(user_id=user_id, changes={}, actor=builders.platform(), now=NOW)
