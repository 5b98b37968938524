"""Companies, users and accounts: what may be made and changed, by whom, and what is refused."""

import pytest
from django.contrib.auth import authenticate

from accounts.errors import Conflict, InvalidValue, NotFound, NotPermitted
from accounts.models import Account, AccountAssignment, AccountSession, User
from accounts.permissions import ENGINE, PLATFORM, visible_accounts
from accounts.rules.audit import AuditAction
from accounts.rules.hierarchy import AccountType
from accounts.rules.roles import Role
from accounts.selectors import connections_of
from accounts.services import orders, structure
from tests import builders
from tests.accounts.evidence import entries, only_entry, snapshot
from tests.builders import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def who():
    return {"actor": builders.platform(), "now": NOW}


@pytest.fixture
def firm():
    return builders.company("ALPHA")


def refused(attempt, field):
    before = snapshot()
    with pytest.raises(InvalidValue) as caught:
        attempt()
    assert caught.value.field == field
    assert snapshot() == before


# companies


def test_a_company_is_recorded_with_all_it_was_given(who):
    structure.create_company(name="ALPHA", carry_realized_pnl=True, **who)
    assert only_entry(AuditAction.COMPANY_CREATED).after == {"name": "ALPHA", "carry_realized_pnl": True}


def test_the_console_makes_a_company_and_the_engine_does_not():
    assert structure.create_company(name="ALPHA", actor=PLATFORM, now=NOW).pk
    with pytest.raises(NotFound):
        structure.create_company(name="BETA", actor=ENGINE, now=NOW)


@pytest.mark.parametrize("name", ["", "ALPHA", "x" * 65])
def test_a_company_needs_a_name_of_its_own(firm, who, name):
    refused(lambda: structure.create_company(name=name, **who), "name")


def test_a_companys_liquidation_user_is_one_of_its_own(firm, who):
    other = builders.user(builders.company("BETA"))
    refused(
        lambda: structure.change_company(company_id=firm.pk, changes={"auto_liquidation_user": other}, **who),
        "auto_liquidation_user",
    )


def test_a_second_liquidation_user_replaces_the_first(firm, who):
    first = firm.auto_liquidation_user
    second = builders.trader(firm)
    changes = {"auto_liquidation_user": second}
    assert structure.change_company(company_id=firm.pk, changes=changes, **who) == {
        "auto_liquidation_user": (first, second)
    }
    entry = entries(AuditAction.COMPANY_CHANGED)[-1]
    assert (entry.before, entry.after) == (
        {"auto_liquidation_user": str(first)},
        {"auto_liquidation_user": str(second)},
    )


def test_an_unknown_company_or_user_is_not_found(who):
    with pytest.raises(NotFound):
        structure.change_company(company_id=0, changes={}, **who)
    for user_id in (0, builders.superuser().pk):
        with pytest.raises(NotFound):
            structure.change_user(user_id=user_id, changes={}, **who)


# users


def test_a_new_user_logs_in_has_credit_settings_and_is_known_to_its_exchanges(firm):
    user = builders.user(firm, username="ann", role=Role.TRADER, operator_ids={"CME": "ANN1", "ICE": "ANN2"})
    assert authenticate(username="ann", password=builders.PASSWORD) == user
    assert (user.role, user.is_superuser, user.credit.create_sod) == ("TRADER", False, False)
    assert dict(user.exchange_settings.values_list("exchange", "operator_id")) == {"CME": "ANN1", "ICE": "ANN2"}
    after = entries(AuditAction.USER_CREATED)[-1].after
    assert after == {
        "username": "ann",
        "role": "TRADER",
        "is_active": True,
        "operator_ids": {"CME": "ANN1", "ICE": "ANN2"},
    }


def test_a_user_without_a_password_logs_in_by_none(firm):
    builders.user(firm, username="program", password=None)
    assert authenticate(username="program", password="") is None


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("username", {"username": "two words"}),
        ("username", {"username": "platform"}),
        ("operator_id", {"operator_ids": {"CME": ""}}),
        ("operator_id", {"operator_ids": {"CME": "x" * 21}}),
        ("exchange", {"operator_ids": {"": "X1"}}),
    ],
)
def test_a_user_that_cannot_be_held_names_its_field(firm, who, field, changes):
    wanted = {"company": firm, "username": "ann", "role": Role.TRADER} | changes
    refused(lambda: structure.create_user(**wanted, **who), field)


def test_operator_ids_are_replaced_whole_and_recorded(firm, who):
    user = builders.user(firm, operator_ids={"CME": "A", "ICE": "B"})
    changed = structure.change_user(user_id=user.pk, changes={}, operator_ids={"CME": "C"}, reason="new badge", **who)
    assert changed == {"operator_ids": ({"CME": "A", "ICE": "B"}, {"CME": "C"})}
    entry = only_entry(AuditAction.USER_CHANGED)
    assert entry.before == {"operator_ids": {"CME": "A", "ICE": "B"}}
    assert (entry.after, entry.reason) == ({"operator_ids": {"CME": "C"}}, "new badge")
    assert structure.change_user(user_id=user.pk, changes={}, operator_ids={"CME": "C"}, **who) == {}
    assert structure.change_user(user_id=user.pk, changes={}, **who) == {}


@pytest.mark.parametrize(
    "field", ["is_superuser", "is_staff", "company", "password", "id", "date_joined", "last_login", "no_such_field"]
)
def test_nobody_is_lifted_above_the_company_by_a_change_of_settings(firm, field):
    boss = builders.admin(firm)
    refused(
        lambda: structure.change_user(user_id=boss.pk, changes={field: True}, actor=builders.actor(boss), now=NOW),
        field,
    )
    assert not User.objects.get(pk=boss.pk).is_superuser


def test_a_role_that_is_none_names_its_field(firm, who):
    user = builders.user(firm)
    refused(lambda: structure.change_user(user_id=user.pk, changes={"role": "KING"}, **who), "role")


# accounts


def test_a_new_account_starts_todays_session_with_its_balance(firm):
    account = builders.account(firm, "A-1", original_balance="25000")
    session = AccountSession.objects.get(account=account)
    assert (session.original_balance, session.base, session.carry) == (25000, None, 0)
    assert (session.trading_day.isoformat(), session.started_at.isoformat()) == (
        "2026-11-20",
        "2026-11-19T23:00:00+00:00",
    )
    assert only_entry(AuditAction.ACCOUNT_CREATED).after == {"type": "ROUTING_EXTERNAL", "parent": None}


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("name", {"name": ""}),
        ("name", {"name": "A-1"}),
        ("name", {"name": "x" * 65}),
        ("type", {"account_type": "PIGGY_BANK"}),
    ],
)
def test_an_account_that_cannot_be_held_names_its_field(firm, who, field, changes):
    builders.account(firm, "A-1")
    wanted = {"company": firm, "name": "A-2", "account_type": AccountType.ROUTING_INTERNAL} | changes
    refused(lambda: structure.create_account(**wanted, **who), field)


def test_two_companies_may_use_the_same_account_name(firm):
    builders.account(firm, "A-1")
    assert builders.account(builders.company("BETA"), "A-1").pk


@pytest.mark.parametrize("field", ["parent", "company", "closed_at", "created_at", "id", "no_such_field"])
def test_an_account_is_moved_and_closed_by_its_own_actions_alone(firm, who, field):
    account = builders.account(firm)
    refused(lambda: structure.change_account(account_id=account.pk, changes={field: None}, **who), field)


def test_a_new_account_hangs_under_an_own_or_a_shared_account_and_no_other(firm, who):
    guest = builders.company("BETA")
    shared, private = builders.account(firm, "shared"), builders.account(firm, "private")
    builders.share(shared, guest)
    wanted = {"company": guest, "name": "B-1", "account_type": AccountType.ROUTING_INTERNAL}
    refused(lambda: structure.create_account(parent=private, **wanted, **who), "parent")
    assert structure.create_account(parent=shared, **wanted, **who).parent == shared


def test_nothing_hangs_under_a_closed_account_even_where_the_caller_has_not_heard_of_it(firm, who):
    stale = builders.account(firm, "A-1")
    structure.close_account(account_id=stale.pk, reason="left", **who)
    other = builders.account(firm, "A-2")
    refused(lambda: builders.account(firm, "A-3", parent=stale), "parent")
    refused(lambda: structure.move_account(account_id=other.pk, parent=stale, reason="x", **who), "parent")


# closing


def test_an_account_closes_once(firm, who):
    account = builders.account(firm)
    assert structure.close_account(account_id=account.pk, reason="left", **who)
    assert Account.objects.get(pk=account.pk).closed_at == NOW
    assert not structure.close_account(account_id=account.pk, reason="again", **who)
    assert only_entry(AuditAction.ACCOUNT_CLOSED).reason == "left"


@pytest.mark.parametrize("what", ["position", "order", "child"])
def test_an_account_with_a_position_an_order_or_an_open_child_does_not_close(firm, who, what):
    account = builders.account(firm)
    child = builders.account(firm, parent=account)
    if what != "child":
        structure.close_account(account_id=child.pk, reason="left", **who)
    if what == "position":
        builders.position(account, net=-1)
    if what == "order":
        builders.working_order(account)
    with pytest.raises(Conflict):
        structure.close_account(account_id=account.pk, reason="left", **who)
    assert not Account.objects.get(pk=account.pk).is_closed


def test_a_flat_position_and_a_finished_order_do_not_keep_an_account_open(firm, who):
    account = builders.account(firm)
    builders.position(account, net=0)
    order = builders.working_order(account)
    orders.set_status(order, orders.OrderStatus.CANCELED, NOW)
    assert structure.close_account(account_id=account.pk, reason="left", **who)


# connections and users of an account


def test_a_connection_is_inherited_and_can_be_taken_off_and_given_back_below(firm, who):
    top = builders.account(firm)
    middle = builders.account(firm, parent=top)
    bottom = builders.account(firm, parent=middle)
    cme = firm.connections.get(exchange="CME")
    assert set(connections_of(bottom)) == {"CME", "COMEX", "NYMEX"}
    assert structure.assign_connection(account_id=middle.pk, connection=cme, is_removed=True, **who)
    assert [set(connections_of(row)) >= {"CME"} for row in (top, middle, bottom)] == [True, False, False]
    assert structure.assign_connection(account_id=bottom.pk, connection=cme, **who)
    assert [set(connections_of(row)) >= {"CME"} for row in (top, middle, bottom)] == [True, False, True]
    assert structure.assign_connection(account_id=middle.pk, connection=cme, **who)
    assert connections_of(middle)["CME"] == cme


def test_a_child_uses_its_own_connection_before_its_parents(firm, who):
    top = builders.account(firm)
    child = builders.account(firm, parent=top)
    own = structure.create_connection(company=firm, name="own", exchange="CME", **who)
    structure.assign_connection(account_id=child.pk, connection=own, **who)
    assert (connections_of(child)["CME"], connections_of(top)["CME"].name) == (own, "CME")


def test_a_company_uses_only_its_own_connections_and_users(firm, who):
    account, other = builders.account(firm), builders.company("BETA")
    builders.share(account, other)
    connection = structure.create_connection(company=other, name="CME", exchange="CME", **who)
    user = builders.trader(other)
    refused(lambda: structure.assign_connection(account_id=account.pk, connection=connection, **who), "connection")
    refused(lambda: structure.assign_user(account_id=account.pk, user=user, **who), "user")


def test_a_connection_has_a_name_of_its_own(firm, who):
    builders.account(firm)
    refused(lambda: structure.create_connection(company=firm, name="CME", exchange="ICE", **who), "name")


def test_an_assigned_user_acts_on_the_account_and_all_below(firm, who):
    top = builders.account(firm)
    child, other = builders.account(firm, parent=top), builders.account(firm)
    trader = builders.trader(firm, top)
    assert set(visible_accounts(trader)) == {top, child}
    assert not structure.assign_user(account_id=top.pk, user=trader, **who)
    assert AccountAssignment.objects.count() == 1
    with pytest.raises(NotFound):
        structure.change_account(account_id=other.pk, changes={}, actor=builders.actor(trader), now=NOW)
    with pytest.raises(NotPermitted):
        structure.change_account(account_id=top.pk, changes={}, actor=builders.actor(trader), now=NOW)
