"""Accounts and their connections: what may be made and changed, by whom, and what is refused."""

import pytest

from accounts.errors import Conflict, InvalidValue, NotFound, NotPermitted
from accounts.models import Account, AccountAssignment, AccountSession
from accounts.permissions import visible_accounts
from accounts.rules.audit import AuditAction
from accounts.rules.hierarchy import AccountType
from accounts.rules.roles import Role
from accounts.selectors import connections_of
from accounts.services import orders, structure
from tests import builders
from tests.accounts.evidence import only_entry, snapshot
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


# account administrators


@pytest.fixture
def kept(firm):
    """An account, one beside it, and the administrator of the first."""
    account, beside = builders.account(firm, "A-1"), builders.account(firm, "A-2")
    keeper = builders.user(firm, username="kim", role=Role.ACCOUNT_ADMIN)
    structure.assign_user(account_id=account.pk, user=keeper, actor=builders.platform(), now=NOW)
    return account, beside, {"actor": builders.actor(keeper), "now": NOW}


def test_an_account_administrator_renames_notes_and_makes_sub_accounts(kept, who):
    account, beside, keeper = kept
    assert set(structure.change_account(account_id=account.pk, changes={"name": "A-9", "notes": "x"}, **keeper)) == {
        "name",
        "notes",
    }
    wanted = {"company": account.company, "account_type": AccountType.ROUTING_INTERNAL}
    below = structure.create_account(name="B-1", parent=account, **wanted, **keeper)
    assert structure.create_account(name="B-2", parent=below, **wanted, **keeper).parent == below
    with pytest.raises(NotFound):
        structure.create_account(name="B-3", parent=beside, **wanted, **keeper)
    with pytest.raises(NotFound):
        structure.create_account(
            name="B-3", parent=account, **(wanted | {"company": builders.company("BETA")}), **keeper
        )
    with pytest.raises(NotPermitted, match="edit structure of ALPHA"):
        structure.create_account(name="B-3", **wanted, **keeper)


def test_an_account_administrator_takes_no_account_from_under_its_limits(kept, who):
    account, _, keeper = kept
    below = structure.create_account(
        company=account.company, name="B-1", account_type=AccountType.ROUTING_INTERNAL, parent=account, **keeper
    )
    cme = account.company.connections.get(exchange="CME")
    attempts = [
        lambda: structure.move_account(account_id=below.pk, parent=None, reason="out", **keeper),
        lambda: structure.change_account(account_id=account.pk, changes={"type": "NON_ROUTING"}, **keeper),
        lambda: structure.assign_connection(account_id=account.pk, connection=cme, is_removed=True, **keeper),
        lambda: structure.create_connection(company=account.company, name="mine", exchange="ICE", **keeper),
        lambda: structure.close_account(account_id=below.pk, reason="gone", **keeper),
        lambda: structure.assign_user(account_id=account.pk, user=keeper["actor"].user, **keeper),
    ]
    before = snapshot()
    for attempt in attempts:
        with pytest.raises(NotPermitted):
            attempt()
    assert snapshot() == before
    same = {"name": "A-9", "type": account.type}
    assert set(structure.change_account(account_id=account.pk, changes=same, **keeper)) == {"name"}
