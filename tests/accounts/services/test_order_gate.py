"""The order gate: whether an order can be routed, what it reads, and the limits of who submits it."""

from decimal import Decimal

import pytest

from accounts.models import Account, AccountSession, Fill, Order, Position
from accounts.rules.audit import AuditAction
from accounts.rules.credit import CreditRule
from accounts.rules.hierarchy import AccountType
from accounts.rules.locks import LockMode
from accounts.rules.pnl import Side
from accounts.rules.pretrade import FailureReason
from accounts.services import limits, structure
from accounts.services.orders import cancel_order
from tests import builders
from tests.accounts.evidence import only_entry
from tests.accounts.gate import holding_at, submit
from tests.builders import NOW, seconds

pytestmark = pytest.mark.django_db
BUY, SELL = Side.BUY, Side.SELL
CENT = Decimal("0.01")
QUERIES_OF_AN_ORDER = 24


@pytest.fixture
def firm():
    return builders.company("ALPHA")


# routes


def test_case_46_an_account_without_a_connection_cannot_route_and_is_told_what_to_do(firm):
    account = builders.account(firm, "A-1", connected=False)
    result = submit(account)
    assert result.failure_reason is FailureReason.ExecutionProviderNotConfigured
    assert result.failure_text.endswith("has no connection to CME: assign one to it or to an account above it")
    order = Order.objects.get(pk=result.order_id)
    assert (order.status, order.venue) == ("DENIED", "")
    assert only_entry(AuditAction.ORDER_DENIED).reason == result.failure_text
    builders.connect(account, "CME")
    assert submit(account).failure_reason is None


def test_a_connection_to_another_exchange_does_not_carry_the_order(firm):
    account = builders.account(firm)
    builders.rate("EUR", "USD", "1.35")
    assert submit(account, symbol="FDAXZ6").failure_reason is FailureReason.ExecutionProviderNotConfigured


@pytest.mark.parametrize("is_connected", [True, False])
def test_a_non_routing_account_sends_no_order_and_one_below_it_does(firm, is_connected):
    account = builders.account(firm, "NODE", account_type=AccountType.NON_ROUTING, connected=is_connected)
    below = builders.account(firm, parent=account, account_type=AccountType.ROUTING_INTERNAL)
    builders.connect(below)
    result = submit(account)
    assert result.failure_reason is FailureReason.ExecutionProviderNotConfigured
    assert "NODE is non-routing" in result.failure_text
    assert submit(below).failure_reason is None


def test_a_lock_is_told_before_a_missing_route(firm):
    account = builders.account(firm, connected=False)
    builders.lock(account)
    assert submit(account).failure_reason is FailureReason.TradingLocked


def test_a_cancel_needs_no_new_route(firm):
    account = builders.account(firm)
    order = builders.working_order(account)
    Account.objects.filter(pk=account.pk).update(type=AccountType.NON_ROUTING)
    account.account_connections.all().delete()
    assert cancel_order(order_id=order.pk, actor=builders.platform(), now=NOW).is_new


# what is read


def tree_of_three(firm, siblings):
    credit = {"rule": CreditRule.PNL_AND_MARGIN}
    top = builders.account(firm, daily_limit="1000000000", credit=credit)
    middle = builders.account(firm, parent=top, daily_limit="1000000000", credit=credit)
    rows = [builders.account(firm, parent=middle, daily_limit="1000000000", credit=credit) for _ in range(siblings)]
    for row in rows:
        builders.position(row, net=2)
        builders.working_order(row, qty=1)
    builders.mark("ESZ6", "6000")
    return rows[0]


@pytest.mark.parametrize("siblings", [1, 8])
def test_an_order_costs_the_same_queries_however_many_accounts_are_beside_it(firm, siblings, django_assert_num_queries):
    account = tree_of_three(firm, siblings)
    actor = builders.platform()
    with django_assert_num_queries(QUERIES_OF_AN_ORDER):
        assert submit(account, actor=actor).failure_reason is None


def test_a_locked_order_reads_no_price_no_rate_and_no_margin(firm, django_assert_max_num_queries):
    account = tree_of_three(firm, 1)
    builders.lock(Account.objects.get(pk=account.parent_id))
    actor = builders.platform()
    with django_assert_max_num_queries(QUERIES_OF_AN_ORDER) as read:
        assert submit(account, actor=actor).failure_reason is FailureReason.TradingLocked
    tables = ("accounts_mark", "accounts_currencyrate", "accounts_productmargin", "accounts_accountcredit")
    assert not [query for query in read.captured_queries for table in tables if f'"{table}"' in query["sql"]]


@pytest.mark.parametrize(
    ("rule", "unread"), [(CreditRule.PNL, "accounts_productmargin"), (CreditRule.MARGIN, "accounts_mark")]
)
def test_what_no_rule_counts_is_not_read(firm, rule, unread, django_assert_max_num_queries):
    account = builders.account(firm, daily_limit="100000", credit={"rule": rule})
    holding_at(account, 1, "-100")
    with django_assert_max_num_queries(QUERIES_OF_AN_ORDER) as read:
        assert submit(account).failure_reason is None
    assert not [query for query in read.captured_queries if f'"{unread}"' in query["sql"]]


def test_a_large_trees_cost_is_summed_exactly(firm):
    parent = builders.account(firm, daily_limit="1000")
    children = [builders.account(firm, parent=parent) for _ in range(3)]
    for child in children:
        builders.position(child, net=1_000_000, price="6000")  # three of these in billionths pass 64 bits
    builders.mark("ESZ6", "6000")
    assert submit(children[0]).failure_reason is None
    Position.objects.filter(account=children[0]).update(prev_price=Decimal("6000.00001"))  # 500 lost
    assert submit(children[0]).failure_reason is None
    Position.objects.filter(account=children[0]).update(prev_price=Decimal("6000.000021"))  # 1050 lost
    assert submit(children[0]).failure_reason is FailureReason.NotEnoughLiquidity


# the user's own limits


@pytest.fixture
def account(firm):
    return builders.account(firm, "A-1")


@pytest.fixture
def trader(firm, account):
    return builders.trader(firm, account, username="tom")


def limit_user(user, limit, rule=CreditRule.PNL, **more):
    changes = {"check_credit": True, "daily_limit": None if limit is None else Decimal(limit), "rule": rule} | more
    limits.save_user_credit(user_id=user.pk, changes=changes, actor=builders.platform(), now=NOW)


def by(user):
    return builders.actor(user)


def traded(account, user, side=BUY, qty=1, price="6000", at=NOW, **order):
    """Let a user's own order fill."""
    row = builders.working_order(account, side=side, qty=qty)
    Order.objects.filter(pk=row.pk).update(submitted_by=user, status="FILLED", filled_qty=qty, **order)
    builders.fill(account, side=side, qty=qty, price=price)
    Fill.objects.filter(pk=Fill.objects.latest("id").pk).update(order=row, filled_at=at)


@pytest.mark.parametrize(("mark", "is_denied"), [("5980.25", False), ("5980", False), ("5979.75", True)])
def test_a_user_who_lost_his_own_limit_takes_no_new_risk_on_an_account_that_has_room(account, trader, mark, is_denied):
    limit_user(trader, 1000)
    traded(account, trader)
    builders.mark("ESZ6", mark)
    result = submit(account, actor=by(trader))
    assert result.failure_reason is (FailureReason.NotEnoughLiquidity if is_denied else None)
    assert not is_denied or "Credit used up for user (tom)" in result.failure_text
    assert submit(account, SELL, actor=by(trader)).failure_reason is None  # it reduces the account
    assert submit(account).failure_reason is None  # another's order


@pytest.mark.parametrize(("spare", "is_denied"), [(-CENT, True), (Decimal(0), True), (CENT, False)])
def test_a_users_margin_counts_his_own_fills_and_working_orders(account, trader, spare, is_denied):
    limit_user(trader, 3 * 4180 + spare, CreditRule.MARGIN)
    builders.position(account, net=5)  # carried in: the account's, not the user's
    traded(account, trader)
    order = builders.working_order(account)
    Order.objects.filter(pk=order.pk).update(submitted_by=trader)
    result = submit(account, actor=by(trader))
    assert (result.failure_reason is not None) is is_denied


def test_what_was_filled_in_an_earlier_session_or_by_a_liquidation_is_not_the_users(account, trader):
    limit_user(trader, 100)
    started = AccountSession.objects.get(account=account).started_at
    traded(account, trader, at=started - seconds(1))
    traded(account, trader, is_liquidation=True)
    builders.mark("ESZ6", "5000")
    assert submit(account, actor=by(trader)).failure_reason is None
    traded(account, trader, at=started)
    assert submit(account, actor=by(trader)).failure_reason is FailureReason.NotEnoughLiquidity


@pytest.mark.parametrize(
    ("changes", "order", "expected"),
    [
        ({"check_credit": False}, {}, None),
        ({}, {"is_block_cross": True}, None),
        ({"apply_to_block_cross": True}, {"is_block_cross": True}, FailureReason.NotEnoughLiquidity),
        ({"daily_limit": None}, {}, FailureReason.MaxPosLimitMisconfigured),
    ],
)
def test_a_users_boxes_say_when_his_limit_counts(account, trader, changes, order, expected):
    limit_user(trader, 100, **changes)
    traded(account, trader)
    builders.mark("ESZ6", "5000")
    assert submit(account, actor=by(trader), **order).failure_reason is expected


def test_a_users_loss_without_a_price_is_not_taken_for_zero(account, trader):
    limit_user(trader, 100)
    traded(account, trader)
    assert submit(account, actor=by(trader)).failure_reason is FailureReason.NoQuote


def test_a_user_limit_lets_an_account_in_liquidate_only_be_closed(account, trader):
    limit_user(trader, 0, CreditRule.MARGIN)
    holding_at(account, 2, "-100")
    builders.lock(account, mode=LockMode.LIQUIDATE_ONLY)
    assert submit(account, SELL, 2, actor=by(trader)).failure_reason is None
    assert submit(account, SELL, 1, actor=by(trader)).failure_reason is FailureReason.LiquidationOnly


def test_an_account_that_was_closed_takes_no_order_whoever_asks(firm, account, trader):
    limit_user(trader, 100)
    structure.close_account(account_id=account.pk, actor=builders.platform(), now=NOW, reason="left")
    assert submit(account, actor=by(trader)).failure_reason is FailureReason.AccountClosed
