"""Reads: trees, locks, orders, positions and the admin action that stands."""

from decimal import Decimal

import pytest

from accounts.models import AccountLock, AdminActionRecord, Order
from accounts.rules.locks import AdminAction, LockCause, LockMode, TradingMode
from accounts.rules.margin import ProductMarginRate
from accounts.rules.orders import OPEN_STATUSES, OrderStatus
from accounts.selectors import (
    connections_of,
    currency_rates,
    held_positions,
    lineage_ids,
    locks_in_force,
    margin_rates,
    newest_admin_actions,
    open_locks,
    standing_admin_action,
    subtree_ids,
    trading_mode_of,
    trading_modes,
    working_orders,
)
from tests import builders
from tests.builders import NOW, seconds

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm():
    return builders.company("ALPHA")


@pytest.fixture
def family(firm):
    top = builders.account(firm, "top")
    middle = builders.account(firm, "middle", parent=top)
    return [top, middle, builders.account(firm, "bottom", parent=middle), builders.account(firm, "alone")]


def test_lineage_and_subtree_go_nearest_first(family):
    top, middle, bottom, alone = (row.pk for row in family)
    assert lineage_ids(bottom) == [bottom, middle, top]
    assert subtree_ids(top) == [top, middle, bottom]
    assert lineage_ids(alone) == subtree_ids(alone) == [alone]
    assert lineage_ids(0) == subtree_ids(0) == []


def test_own_locks_are_not_those_in_force(family):
    top, middle, bottom, _ = family
    own = builders.lock(bottom, cause=LockCause.CREDIT_LOSS, mode=LockMode.LIQUIDATE_ONLY)
    above = builders.lock(top)
    gone = builders.lock(middle)
    AccountLock.objects.filter(pk=gone).update(released_at=NOW)
    assert [lock.pk for lock in open_locks([bottom.pk])] == [own]
    assert [lock.pk for lock in locks_in_force(bottom.pk)] == [own, above]


def test_the_strictest_mode_of_the_lineage_holds_for_one_and_for_many(family):
    top, middle, bottom, alone = family
    builders.lock(middle, mode=LockMode.LIQUIDATE_ONLY)
    builders.lock(bottom)
    expected = {
        top.pk: TradingMode.NORMAL,
        middle.pk: TradingMode.LIQUIDATE_ONLY,
        bottom.pk: TradingMode.LOCKED,
        alone.pk: TradingMode.NORMAL,
    }
    assert {account_id: trading_mode_of(account_id) for account_id in expected} == expected
    assert trading_modes(iter(expected)) == expected
    assert trading_modes([]) == {}


def test_modes_of_many_accounts_take_two_queries(family, django_assert_num_queries):
    with django_assert_num_queries(2):
        trading_modes([row.pk for row in family])


def test_working_orders_are_those_that_may_still_fill(family):
    account = family[3]
    orders = {status: builders.working_order(account) for status in OrderStatus}
    for status, order in orders.items():
        Order.objects.filter(pk=order.pk).update(status=status)
    assert {order.status for order in working_orders([account.pk])} == OPEN_STATUSES
    assert not working_orders([family[0].pk]).exists()


def test_held_positions_leave_out_the_flat_ones(family):
    account = family[3]
    builders.position(account, "ESZ6", net=0)
    builders.position(account, "NQZ6", net=-2)
    assert [(row.instrument.symbol, row.net) for row in held_positions([account.pk])] == [("NQZ6", -2)]


def test_an_account_without_connections_has_none(firm):
    assert connections_of(builders.account(firm, connected=False)) == {}


def test_rates_and_margins_by_their_keys():
    builders.rate("EUR", "USD", "1.35")
    builders.margin("ES", initial="100", maintenance="90", spread="20")
    assert currency_rates() == {("EUR", "USD"): Decimal("1.35")}
    assert margin_rates() == {
        "ES": ProductMarginRate(initial=Decimal(100), maintenance=Decimal(90), spread=Decimal(20))
    }


def test_the_newest_admin_action_of_each_account_stands(family):
    first, second, _, _ = family

    def act(account, action, expires_at=None):
        return AdminActionRecord.objects.create(
            account=account, action=action, reason_code="Other", set_at=NOW, expires_at=expires_at
        )

    act(first, AdminAction.LOCK_TRADING_IMMEDIATELY)
    newest, other = act(first, AdminAction.NORMAL), act(second, AdminAction.DISABLE_AUTO_LIQ)
    assert newest_admin_actions() == {first.pk: newest, second.pk: other}
    assert newest_admin_actions([first.pk]) == {first.pk: newest}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (59, AdminAction.PLACE_AUTO_LIQ_ON_HOLD),
        (60, AdminAction.NORMAL),
        (61, AdminAction.NORMAL),
    ],
)
def test_a_hold_reads_normal_when_it_has_run_out(after, expected):
    hold = AdminActionRecord(action=AdminAction.PLACE_AUTO_LIQ_ON_HOLD, expires_at=NOW + seconds(60))
    assert standing_admin_action(hold, NOW + seconds(after)) is expected


def test_an_action_without_an_end_stands_and_an_untouched_account_has_none():
    lock = AdminActionRecord(action=AdminAction.LOCK_TRADING_IMMEDIATELY)
    assert standing_admin_action(lock, NOW) is AdminAction.LOCK_TRADING_IMMEDIATELY
    assert standing_admin_action(None, NOW) is None
